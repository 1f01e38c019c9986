"""Batch loaders: each record is read at most once in an operation, and concurrent reads become one query."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from strawberry.dataloader import DataLoader
from typing_extensions import override

from resolvers import (
    agents,
    app_data,
    current_entities,
    departments,
    erasures,
    events,
    messages,
    roles,
    room_routing,
    rooms,
    users,
    visitors,
    webhooks,
)
from resolvers.consumer_lag import ScanBudget
from resolvers.consumers.consumers import ConsumerStatus
from resolvers.context import Context
from resolvers.current_entities import EventEntity
from storage.app_data import AppDatum, DatumKey
from storage.assignments import Assignment
from storage.erasures import Erasure
from storage.errors import NotFound
from storage.facts import AnyFact
from storage.filters.expressions import EVERYTHING, Expression
from storage.message_records import Message
from storage.mongo.pagination import Page, PageArguments
from storage.records import App, Department, FieldDefinition, Role, Room, User, Visitor
from storage.webhook_records import WebhookDelivery

T = TypeVar("T")
K = TypeVar("K")


class Loader(DataLoader[K, T]):
    """A DataLoader whose loads can be cancelled separately: graphql-core cancels the fields beside an error."""

    @override
    def load(self, key: K) -> Awaitable[T]:
        return asyncio.shield(super().load(key))


@dataclass(frozen=True, slots=True)
class PageKey:
    """A page of the children of one parent."""

    parent_id: str
    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None
    #: Not hashed, because it contains lists.
    where: Expression = field(default=EVERYTHING, hash=False)

    @property
    def page(self) -> PageArguments:
        return {"first": self.first, "after": self.after, "last": self.last, "before": self.before}


class Loaders:
    """The loaders of one operation. They are replaced after each change."""

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

    @cached_property
    def messages(self) -> DataLoader[str, Message | None]:
        """Messages by id; None for one that the caller may not see."""

        async def load(keys: list[str]) -> list[Message | BaseException | None]:
            found = await messages.find_many(self._context, keys)
            return [found.get(key) for key in keys]

        return Loader(load)

    @cached_property
    def erasures(self) -> DataLoader[str, Erasure | None]:
        """The erasures of visitors, by the ids of the visitors. None for a visitor that is not erased."""
        return self._optional(erasures.find_many)

    @cached_property
    def app_data(self) -> DataLoader[DatumKey, AppDatum | None]:
        """What the caller keeps under a key, as now. None if it keeps nothing there."""
        return self._optional(app_data.find_many)

    def _by_key(
        self, noun: str, read: Callable[[Context, Sequence[str]], Awaitable[dict[str, T]]]
    ) -> DataLoader[str, T]:
        async def load(keys: list[str]) -> list[T | BaseException]:
            records = await read(self._context, keys)
            return [records.get(key) or NotFound(noun, key, key="id") for key in keys]

        return Loader(load)

    # ---------------------------------------------------------------- the entities of snapshots as they are now

    @cached_property
    def current_rooms(self) -> DataLoader[str, Room | None]:
        return self._optional(current_entities.find_rooms)

    @cached_property
    def current_messages(self) -> DataLoader[EventEntity, Message | None]:
        return self._optional(current_entities.find_messages)

    @cached_property
    def current_users(self) -> DataLoader[EventEntity, User | None]:
        return self._optional(current_entities.find_users)

    @cached_property
    def current_visitors(self) -> DataLoader[EventEntity, Visitor | None]:
        return self._optional(current_entities.find_visitors)

    @cached_property
    def current_departments(self) -> DataLoader[EventEntity, Department | None]:
        return self._optional(current_entities.find_departments)

    @cached_property
    def current_roles(self) -> DataLoader[str, Role | None]:
        return self._optional(current_entities.find_roles)

    @cached_property
    def current_definitions(self) -> DataLoader[str, FieldDefinition | None]:
        return self._optional(current_entities.find_definitions)

    @cached_property
    def current_apps(self) -> DataLoader[str, App | None]:
        return self._optional(current_entities.find_apps)

    @cached_property
    def consumers_of_webhooks(self) -> DataLoader[tuple[str, str], ConsumerStatus | None]:
        """The consumers of webhooks, by owner and name. None before a server has begun to deliver."""
        return self._optional(webhooks.find_consumers)

    @cached_property
    def scan_budget(self) -> ScanBudget:
        """What the lags of all consumers of webhooks may scan."""
        return ScanBudget()

    def _optional(self, read: Callable[[Context, Sequence[K]], Awaitable[dict[K, T]]]) -> DataLoader[K, T | None]:
        async def load(keys: list[K]) -> list[T | BaseException | None]:
            found = await read(self._context, keys)
            return [found.get(key) for key in keys]

        return Loader(load)

    # ---------------------------------------------------------------- pages

    @cached_property
    def messages_of_rooms(self) -> DataLoader[PageKey, Page[Message]]:
        return self._pages(lambda ids, of: messages.list_messages(self._context, ids, **of.page))

    @cached_property
    def events_of_rooms(self) -> DataLoader[PageKey, Page[AnyFact]]:
        return self._pages(lambda ids, of: events.list_events_by_room(self._context, ids, **of.page))

    @cached_property
    def assignments_of_rooms(self) -> DataLoader[PageKey, Page[Assignment]]:
        return self._pages(lambda ids, of: room_routing.list_assignments(self._context, ids, **of.page))

    @cached_property
    def rooms_of_agents(self) -> DataLoader[PageKey, Page[Room]]:
        return self._pages(lambda ids, of: rooms.list_rooms_by_agent(self._context, ids, where=of.where, **of.page))

    @cached_property
    def agents_of_departments(self) -> DataLoader[PageKey, Page[User]]:
        return self._pages(lambda ids, of: agents.list_agents_by_department(self._context, ids, **of.page))

    @cached_property
    def deliveries_of_webhooks(self) -> DataLoader[PageKey, Page[WebhookDelivery]]:
        return self._pages(lambda ids, of: webhooks.list_deliveries(self._context, ids, **of.page))

    def _pages(
        self, read: Callable[[Sequence[str], PageKey], Awaitable[dict[str, Page[T]]]]
    ) -> DataLoader[PageKey, Page[T]]:
        """A loader of pages. `read` gets the parents whose pages have the same arguments, and one of the keys for the
        arguments."""

        async def load(keys: list[PageKey]) -> list[Page[T] | BaseException]:
            groups: dict[PageKey, list[str]] = {}
            for key in keys:
                groups.setdefault(replace(key, parent_id=""), []).append(key.parent_id)
            results = await asyncio.gather(*(read(ids, key) for key, ids in groups.items()), return_exceptions=True)
            pages = dict(zip(groups, results, strict=True))
            return [_page(pages[replace(key, parent_id="")], key.parent_id) for key in keys]

        return Loader(load)


def _page(result: dict[str, Page[T]] | BaseException, parent_id: str) -> Page[T] | BaseException:
    return result if isinstance(result, BaseException) else result[parent_id]
