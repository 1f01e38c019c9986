"""What one operation reads of records by key: each at most once, and all that are asked for together in one round
trip."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from strawberry.dataloader import DataLoader

from resolvers import agents, departments, events, messages, roles, rooms, users, visitors
from resolvers.context import Context
from storage.errors import NotFound
from storage.facts import AnyFact
from storage.filters import EVERYTHING, And, AttributeCondition, Expression, Operator
from storage.pages import Page
from storage.records import Department, Message, Role, Room, User, Visitor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageOf:
    """Which page of which parent's children."""

    parent_id: str
    first: int
    after: str | None = None
    where: Expression = EVERYTHING


class Loaders:
    """Readers by key, for one operation and until something changes in it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @cached_property
    def users(self) -> DataLoader[str, User]:
        return self._by_key("user", users.get_many)

    @cached_property
    def roles(self) -> DataLoader[str, Role]:
        return self._by_key("role", roles.get_many)

    @cached_property
    def departments(self) -> DataLoader[str, Department]:
        return self._by_key("department", departments.get_many)

    @cached_property
    def visitors(self) -> DataLoader[str, Visitor]:
        return self._by_key("visitor", visitors.get_many)

    @cached_property
    def rooms(self) -> DataLoader[str, Room]:
        return self._by_key("room", rooms.get_many)

    def _by_key(
        self, noun: str, read: Callable[[Context, Sequence[str]], Awaitable[dict[str, T]]]
    ) -> DataLoader[str, T]:
        async def load(keys: list[str]) -> list[T | BaseException]:
            found = await read(self._context, keys)
            return [found.get(key) or NotFound(noun, key, key="id") for key in keys]

        return DataLoader(load)

    @cached_property
    def messages_of_rooms(self) -> DataLoader[PageOf, Page[Message]]:
        return DataLoader(self._load_messages)

    @cached_property
    def events_of_rooms(self) -> DataLoader[PageOf, Page[AnyFact]]:
        return self._pages(lambda of: events.room_events(self._context, of.parent_id, first=of.first, after=of.after))

    @cached_property
    def rooms_of_agents(self) -> DataLoader[PageOf, Page[Room]]:
        def read(of: PageOf) -> Awaitable[Page[Room]]:
            own = AttributeCondition("servedBy", Operator.EQ, of.parent_id)
            return rooms.list_rooms(self._context, where=And((own, of.where)), first=of.first, after=of.after)

        return self._pages(read)

    @cached_property
    def agents_of_departments(self) -> DataLoader[PageOf, Page[User]]:
        return self._pages(
            lambda of: agents.list_agents_of(self._context, of.parent_id, first=of.first, after=of.after)
        )

    async def _load_messages(self, keys: list[PageOf]) -> list[Page[Message] | BaseException]:
        """First pages of the same size in one round trip; later pages, which have each their own cursor, in one
        each."""
        sizes = {key.first for key in keys if key.after is None}
        reads: list[Awaitable[dict[PageOf, Page[Message]]]] = [self._first_messages(keys, first) for first in sizes]
        reads.extend(self._later_messages(key) for key in keys if key.after is not None)
        found: dict[PageOf, Page[Message]] = {}
        for read in await asyncio.gather(*reads):
            found.update(read)
        return [found[key] for key in keys]

    async def _first_messages(self, keys: list[PageOf], first: int) -> dict[PageOf, Page[Message]]:
        wanted = {key.parent_id: key for key in keys if key.after is None and key.first == first}
        found = await messages.first_pages(self._context, list(wanted), first=first)
        return {key: found[room_id] for room_id, key in wanted.items()}

    async def _later_messages(self, key: PageOf) -> dict[PageOf, Page[Message]]:
        page = await messages.list_messages(self._context, key.parent_id, first=key.first, after=key.after)
        return {key: page}

    def _pages(self, read: Callable[[PageOf], Awaitable[Page[T]]]) -> DataLoader[PageOf, Page[T]]:
        async def load(keys: list[PageOf]) -> list[Page[T] | BaseException]:
            return await asyncio.gather(*(read(key) for key in keys), return_exceptions=True)

        return DataLoader(load)
