"""What whoever runs the deployment does from the command line, in its database and without a token."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from resolvers import access, apps, counts
from resolvers.access import Caller
from resolvers.context import Context, Services
from storage.records import SYSTEM
from storage.storage import Storage


async def create_app(uri: str, database: str, *, name: str, scopes: Sequence[str]) -> apps.AppWithToken:
    """Create an app. Raises Invalid."""
    async with operator(uri, database) as context:
        return await apps.create_app(context, name=name, scopes=scopes)


async def revoke_app(uri: str, database: str, *, app_id: str) -> None:
    """End an app and everything that is open in its name."""
    async with operator(uri, database) as context:
        await apps.revoke_app(context, app_id=app_id)


async def verify_counts(uri: str, database: str, *, repair: bool) -> list[counts.Drift]:
    """The agents whose openRoomCount is wrong, or was until now."""
    async with operator(uri, database) as context:
        return await (counts.repair_drifts(context) if repair else counts.find_drifts(context))


@asynccontextmanager
async def operator(uri: str, database: str) -> AsyncIterator[Context]:
    """The context of somebody who may do everything, beside servers that may be running on the same database."""
    async with Storage.open(uri, database) as storage:
        yield Context(Services(storage), Caller(actor=SYSTEM, scopes=frozenset({access.ADMIN})))
