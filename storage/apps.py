"""Apps; their tokens are in tokens.py."""

from collections.abc import Iterable
from datetime import datetime

from pymongo import ASCENDING

from storage import entities
from storage.entities import Kind
from storage.errors import Duplicate, quoted
from storage.facts import AppCreated, AppFact
from storage.mongo.reader import Reader
from storage.records import App
from storage.transactions.transaction import Transaction

KIND = Kind("apps", App, noun="app")


async def get(reader: Reader, app_id: str) -> App:
    return await entities.get(reader, KIND, app_id, key="appId")


async def find(reader: Reader, app_id: str) -> App | None:
    return await entities.find_by(reader, KIND, "_id", app_id)


async def get_many(reader: Reader, ids: Iterable[str]) -> dict[str, App]:
    """The apps with those ids, by id; those that do not exist are absent."""
    return await entities.get_many(reader, KIND, ids)


async def list_all(reader: Reader) -> list[App]:
    """Return all apps in the order of their creation, including revoked ones."""
    return await entities.list_all(reader, KIND, {}, sort=(("createdAt", ASCENDING), ("_id", ASCENDING)))


async def insert(tx: Transaction, app: App) -> App:
    """Insert a new app. Raises Duplicate if the id is taken."""
    taken = Duplicate(f"There is an app {quoted(app.id)} already.", key="id")
    app = await entities.insert(tx, KIND, app, refusal=lambda _: taken)
    tx.record_fact(AppCreated, app, app=app)
    return app


async def update(tx: Transaction, before: App, after: App, kind: type[AppFact]) -> App:
    after = await entities.replace(tx, KIND, before, after)
    tx.record_fact(kind, after, app=after)
    return after


async def record_use(reader: Reader, app_id: str, used_at: datetime) -> None:
    """Store when the app was last used. This records no fact."""
    await reader.collection(KIND.collection).update_one({"_id": app_id}, {"$max": {"lastUsedAt": used_at}})
