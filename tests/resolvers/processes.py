"""Two processes over one database without background tasks of resolvers, and helpers to read events from them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

from resolvers import visitors
from resolvers.auth.access import ADMIN, Caller
from resolvers.consumers import consumers
from resolvers.context import Context
from resolvers.services import create_services
from storage.facts import AnyFact
from storage.records import Actor, ActorType
from storage.runtime import Storage
from storage.timings import DEFAULT_TIMINGS, Timings
from tests.databases import emptied

APP = Actor(type=ActorType.APP, id="app", name="App")

TwoContexts: TypeAlias = tuple[Context, Context]


@asynccontextmanager
async def two_processes(uri: str, name: str, timings: Timings = DEFAULT_TIMINGS) -> AsyncIterator[TwoContexts]:
    """The contexts of one app with all scopes in both processes."""
    emptied(uri, name)
    async with Storage.open(uri, name, timings=timings) as one, Storage.open(uri, name, timings=timings) as other:
        caller = Caller(actor=APP, scopes=frozenset({ADMIN}))
        yield Context(create_services(one), caller), Context(create_services(other), caller)


async def record_facts(context: Context, count: int) -> list[int]:
    """Record that many facts, and return their sequences."""
    head = await context.storage.log.head()
    for number in range(count):
        await visitors.save_visitor(context, token=f"visitor-{head}-{number}")
    return list(range(head + 1, head + count + 1))


async def read(facts: AsyncGenerator[AnyFact, None], count: int) -> list[int]:
    """The sequences of the next facts."""
    async with asyncio.timeout(30):
        return [(await anext(facts)).sequence for _ in range(count)]


async def status(context: Context) -> consumers.ConsumerStatus:
    """The status of the only consumer of the app."""
    (only,) = await consumers.list_consumers(context)
    return only
