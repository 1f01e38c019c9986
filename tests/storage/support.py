"""Helpers for tests of storage: most of them save visitors."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
from bson.raw_bson import RawBSONDocument
from typing_extensions import override

from storage import visitors
from storage.facts import AnyFact, Fact, VisitorSaved
from storage.log.outbox import Appender
from storage.mongo.connection import new_id
from storage.mongo.reader import Reader
from storage.records import SYSTEM, Visitor
from storage.runtime import Storage
from storage.timings import DEFAULT_TIMINGS, Timings
from storage.transactions.keyed_locks import LockKey
from storage.transactions.runner import TransactionRunner
from storage.transactions.transaction import Transaction


class KilledAppender(Appender):
    """The appender of a process that is killed after every commit."""

    @override
    async def append(self, facts: Sequence[Fact], encoded: Sequence[RawBSONDocument] = ()) -> None:
        pass

    @override
    async def append_behind(self, *_: Any, **__: Any) -> bool:
        return False


@asynccontextmanager
async def opened(
    uri: str, name: str, *, processes: int, timings: Timings = DEFAULT_TIMINGS
) -> AsyncIterator[list[Storage]]:
    """Open one storage per process, each with its own connections, appender and feed."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Storage.open(uri, name, timings=timings)) for _ in range(processes)]


async def find(storage: Storage, token: str) -> Visitor | None:
    return await visitors.find_by_token(storage.reader, token)


async def save(storage: Storage, token: str, name: str | None = None) -> Visitor:
    """Create or change the visitor with that token, as a mutation does."""
    visitor, _ = await storage.transactions.run(lambda tx: put(tx, token, name), lock_keys=[LockKey("visitor", token)])
    return visitor


async def save_and_die(storage: Storage, token: str) -> None:
    """Save the visitor in a process that dies before it appends the fact."""
    appender = KilledAppender(storage.database, storage.feed.publish)
    await TransactionRunner(storage.database, storage.definition_cache, appender, storage.process).run(
        lambda tx: put(tx, token, None)
    )


async def put(tx: Transaction, token: str, name: str | None) -> Visitor:
    visitor = await visitors.find_by_token(tx, token)
    if visitor is None:
        return await visitors.insert(tx, Visitor(id=new_id(tx.now), token=token, name=name, created_at=tx.now))
    return await visitors.update(tx, visitor, msgspec.structs.replace(visitor, name=name))


def make_facts(count: int, *, subject: str = "someone") -> list[VisitorSaved]:
    """Facts about one visitor, for tests that need many facts in the log."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    visitor = Visitor(id=subject, token=subject, created_at=now)
    return [
        VisitorSaved(id=f"{subject}-{number}", occurred_at=now, actor=SYSTEM, visitor=visitor)
        for number in range(1, count + 1)
    ]


async def read_all(storage: Storage, *, after: int = 0) -> list[AnyFact]:
    return await storage.log.read(after, 1_000_000)


def tokens(facts: Sequence[Fact]) -> list[str]:
    """The tokens of the visitors of the facts, in order."""
    return [fact.visitor.token for fact in facts if isinstance(fact, VisitorSaved)]


def names(facts: Sequence[Fact]) -> list[str | None]:
    """The names of the visitors of the facts, in order."""
    return [fact.visitor.name for fact in facts if isinstance(fact, VisitorSaved)]


async def outbox_is_empty(storage: Storage) -> bool:
    """Wait until the outbox is empty."""

    async def empty() -> bool:
        return not await storage.database["outbox"].count_documents({})

    await until(empty)
    return True


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Poll a condition until it is true."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def create_temporary_index(storage: Storage, numbers: Sequence[int]) -> None:
    """Fill the empty collection of messages, and create the index that read_while_index_is_dropped drops."""
    messages = storage.database["messages"]
    await messages.insert_many([{"_id": number, "x": number} for number in numbers])
    await messages.create_index("x", name="temporary")


async def read_while_index_is_dropped(reader: Reader, attempts: list[int]) -> list[int]:
    """Read all messages by the index. The first attempt drops the index during the read."""
    attempts.append(len(attempts) + 1)
    messages = reader.collection("messages")
    cursor = messages.find({"x": {"$gte": 0}}, sort=[("x", 1)], batch_size=1)
    found = [(await anext(cursor))["x"]]
    if len(attempts) == 1:
        await messages.drop_index("temporary")
    return found + [document["x"] async for document in cursor]
