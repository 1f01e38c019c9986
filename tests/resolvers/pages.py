"""Entities for lists, and reads of all pages of a list."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from storage.entities import Kind, encode
from storage.mongo.connection import new_id
from storage.mongo.pagination import Page
from storage.records import Entity, Room, RoomStatus, User
from tests.resolvers.world import World

CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)


async def insert(world: World, kind: Kind[Any], *entities: Entity) -> None:
    """Insert entities without facts."""
    reader = world.context.reader
    await reader.collection(kind.collection).insert_many([encode(reader, kind, entity) for entity in entities])


def user(username: str) -> User:
    return User(id=new_id(CREATED_AT), username=username, created_at=CREATED_AT, updated_at=CREATED_AT)


def room(priority: int) -> Room:
    return Room(
        id=new_id(CREATED_AT),
        status=RoomStatus.CLOSED,
        revision=1,
        visitor_id="v",
        priority=priority,
        started_at=CREATED_AT,
    )


async def read_all_pages(
    read: Callable[..., Awaitable[Page[Any]]],
    *,
    size: int,
    between: Callable[[], Awaitable[None]] | None = None,
    **arguments: object,
) -> list[Any]:
    """The items of all pages, in the order of reading."""
    items: list[Any] = []
    after = None
    while True:
        page = await read(first=size, after=after, **arguments)
        assert page.has_previous is (after is not None)
        assert len(page.items) == len(page.cursors) <= size
        items += page.items
        if not page.has_next:
            return items
        assert len(page.items) == size
        after = page.cursors[-1]
        if between is not None:
            await between()


async def read_all_pages_backwards(
    read: Callable[..., Awaitable[Page[Any]]], *, size: int, **arguments: object
) -> list[Any]:
    """The items of all pages, read from the last page, in the order of the list."""
    items: list[Any] = []
    before = None
    while True:
        page = await read(last=size, before=before, **arguments)
        assert page.has_next is (before is not None)
        assert len(page.items) == len(page.cursors) <= size
        items = [*page.items, *items]
        if not page.has_previous:
            return items
        assert len(page.items) == size
        before = page.cursors[0]


def ids(entities: Sequence[Entity]) -> list[str]:
    return [entity.id for entity in entities]


def in_order(entities: Sequence[Any], key: Callable[[Any], tuple[Any, ...] | None], descending: bool) -> list[Any]:
    """Sorted by key, then id. Entities without a key are last."""
    with_key = [one for one in entities if key(one) is not None]
    others = [one for one in entities if key(one) is None]
    return [
        *sorted(with_key, key=lambda one: (key(one), one.id), reverse=descending),
        *sorted(others, key=lambda one: one.id, reverse=descending),
    ]
