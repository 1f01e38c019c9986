"""Small changes that tests of storage make: visitors that are saved again and again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

import msgspec
from typing_extensions import override

from storage import visitors
from storage.facts import AnyFact, Fact, VisitorSaved
from storage.log.outbox import Appender
from storage.mongo.connection import new_id
from storage.mongo.reader import Reader
from storage.records import SYSTEM, Visitor
from storage.runtime import Storage
from storage.transactions.keyed_locks import LockKey
from storage.transactions.runner import TransactionRunner
from storage.transactions.transaction import Transaction


class KilledAppender(Appender):
    """The appender of a process that is killed whenever it has committed something."""

    @override
    async def append(self, facts: Sequence[Fact]) -> None:
        pass


@asynccontextmanager
async def opened(uri: str, name: str, *, processes: int) -> AsyncIterator[list[Storage]]:
    """The storages of so many processes: each with its own connections, appender and feed."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Storage.open(uri, name)) for _ in range(processes)]


async def find(storage: Storage, token: str) -> Visitor | None:
    return await visitors.find_by_token(storage.reader, token)


async def save(storage: Storage, token: str, name: str | None = None) -> Visitor:
    """Create or change the visitor with that token, as any mutation would."""
    visitor, _ = await storage.transactions.run(lambda tx: put(tx, token, name), lock_keys=[LockKey("visitor", token)])
    return visitor


async def save_and_die(storage: Storage, token: str) -> None:
    """Do the same in a process that dies before it can append the fact."""
    appender = KilledAppender(storage.database, storage.feed.publish)
    await TransactionRunner(storage.database, storage.definition_cache, appender, storage.process).run(
        lambda tx: put(tx, token, None)
    )


async def put(tx: Transaction, token: str, name: str | None) -> Visitor:
    known = await visitors.find_by_token(tx, token)
    if known is None:
        return await visitors.insert(tx, Visitor(id=new_id(tx.now), token=token, name=name, created_at=tx.now))
    return await visitors.update(tx, known, msgspec.structs.replace(known, name=name))


def made_up(count: int, *, subject: str = "someone") -> list[VisitorSaved]:
    """Facts about a visitor, for tests that only need many of them in the log."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    visitor = Visitor(id=subject, token=subject, created_at=moment)
    return [
        VisitorSaved(id=f"{subject}-{number}", occurred_at=moment, actor=SYSTEM, visitor=visitor)
        for number in range(1, count + 1)
    ]


async def read_all(storage: Storage, *, after: int = 0) -> list[AnyFact]:
    return await storage.log.read(after, 1_000_000)


def tokens(facts: Sequence[Fact]) -> list[str]:
    """Which visitors the facts are about, in order."""
    return [fact.visitor.token for fact in facts if isinstance(fact, VisitorSaved)]


def names(facts: Sequence[Fact]) -> list[str | None]:
    """What the visitors were called, in order."""
    return [fact.visitor.name for fact in facts if isinstance(fact, VisitorSaved)]


async def outbox_is_empty(storage: Storage) -> bool:
    """Whether everything that waited is taken out in the end."""

    async def empty() -> bool:
        return not await storage.database["outbox"].count_documents({})

    await until(empty)
    return True


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what nobody tells of when it comes true."""
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def with_passing_index(storage: Storage, numbers: Sequence[int]) -> None:
    """Fill the empty collection of messages, and give it an index that read_as_the_index_goes drops."""
    messages = storage.database["messages"]
    await messages.insert_many([{"_id": number, "x": number} for number in numbers])
    await messages.create_index("x", name="passing")


async def read_as_the_index_goes(reader: Reader, attempts: list[int]) -> list[int]:
    """Read all of it by the index; the first attempt drops the index on its way."""
    attempts.append(len(attempts) + 1)
    messages = reader.collection("messages")
    cursor = messages.find({"x": {"$gte": 0}}, sort=[("x", 1)], batch_size=1)
    found = [(await anext(cursor))["x"]]
    if len(attempts) == 1:
        await messages.drop_index("passing")
    return found + [document["x"] async for document in cursor]
