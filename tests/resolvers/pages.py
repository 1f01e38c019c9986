"""Entities to list, and reads of a list page by page."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from storage.entities import Kind, encode
from storage.mongo.connection import new_id
from storage.mongo.pagination import Page
from storage.records import Entity, Room, RoomStatus, User
from tests.resolvers.world import World

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


async def put(world: World, kind: Kind[Any], *entities: Entity) -> None:
    """Store entities as they are, without facts about them."""
    reader = world.context.reader
    await reader.collection(kind.collection).insert_many([encode(reader, kind, entity) for entity in entities])


def user(username: str) -> User:
    return User(id=new_id(MOMENT), username=username, created_at=MOMENT, updated_at=MOMENT)


def room(priority: int) -> Room:
    return Room(
        id=new_id(MOMENT),
        status=RoomStatus.CLOSED,
        revision=1,
        visitor_id="v",
        priority=priority,
        started_at=MOMENT,
    )


async def walk(
    read: Callable[..., Awaitable[Page[Any]]],
    *,
    size: int,
    between: Callable[[], Awaitable[None]] | None = None,
    **arguments: object,
) -> list[Any]:
    """Everything on all pages, in the order in which it was shown."""
    shown: list[Any] = []
    after = None
    while True:
        page = await read(first=size, after=after, **arguments)
        assert page.has_previous is (after is not None)
        assert len(page.items) == len(page.cursors) <= size
        shown += page.items
        if not page.has_next:
            return shown
        assert len(page.items) == size
        after = page.cursors[-1]
        if between is not None:
            await between()


async def walk_back(read: Callable[..., Awaitable[Page[Any]]], *, size: int, **arguments: object) -> list[Any]:
    """Everything on all pages, read from the end, in the order of the list."""
    shown: list[Any] = []
    before = None
    while True:
        page = await read(last=size, before=before, **arguments)
        assert page.has_next is (before is not None)
        assert len(page.items) == len(page.cursors) <= size
        shown = [*page.items, *shown]
        if not page.has_previous:
            return shown
        assert len(page.items) == size
        before = page.cursors[0]


def ids(entities: Sequence[Entity]) -> list[str]:
    return [entity.id for entity in entities]


def in_order(entities: Sequence[Any], place: Callable[[Any], tuple[Any, ...] | None], descending: bool) -> list[Any]:
    """Sorted by place, then id; those without a place last."""
    placed = [one for one in entities if place(one) is not None]
    others = [one for one in entities if place(one) is None]
    return [
        *sorted(placed, key=lambda one: (place(one), one.id), reverse=descending),
        *sorted(others, key=lambda one: one.id, reverse=descending),
    ]
