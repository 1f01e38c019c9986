"""Values of custom fields on users and rooms: concurrent writes, validation and facts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from resolvers import rooms, users, visitors
from resolvers.custom_fields.definitions import define_custom_field
from resolvers.custom_fields.values import FieldAssignment, FieldIncrement
from storage.changes import Change
from storage.errors import (
    Duplicate,
    FieldRequired,
    Invalid,
    InvalidFieldValue,
    SwitchboardError,
    UnknownField,
)
from storage.facts import RoomClosed, RoomUpdated
from storage.records import FieldDefinition, FieldTarget, FieldType, User, UserType
from tests.resolvers.refusals import refused, values
from tests.resolvers.world import World

TEXT, NUMBER = FieldType.TEXT, FieldType.NUMBER
USER, VISITOR, ROOM = FieldTarget.USER, FieldTarget.VISITOR, FieldTarget.ROOM


async def define(world: World, key: str, type: FieldType = TEXT, **given: Any) -> FieldDefinition:
    given.setdefault("target", USER)
    return await define_custom_field(world.context, key=key, type=type, **given)


async def create(world: World, username: str, **fields: object) -> User:
    return await users.create_user(world.context, username=username, type=UserType.USER, custom_fields=values(**fields))


async def assign(world: World, user: User, **fields: object) -> User:
    return await users.update_user(world.context, user_id=user.id, custom_fields=values(**fields))


@asynccontextmanager
async def idle_maintenance(world: World) -> AsyncIterator[None]:
    """Hold the lease of maintenance for the duration of the block, so that no process runs it."""
    leases = world.services.storage.database["leases"]
    idle = {"holder": "idle", "until": datetime(2999, 1, 1, tzinfo=UTC)}
    await leases.replace_one({"_id": "maintenance"}, idle, upsert=True)
    yield
    await leases.delete_one({"_id": "maintenance"})


async def test_writers_of_different_keys_both_win(world: World, other: World) -> None:
    keys = [f"k{n}" for n in range(10)]
    for key in keys:
        await define(world, key, NUMBER)
    anna = await create(world, "anna")

    await asyncio.gather(*(assign((world, other)[n % 2], anna, **{key: n}) for n, key in enumerate(keys)))

    assert (await world.user(anna)).custom_fields == {key: n for n, key in enumerate(keys)}


async def test_increments_of_many_writers_add_up(world: World, other: World) -> None:
    await define(world, "count", NUMBER, target=ROOM)
    await define(world, "sum", NUMBER, target=ROOM)
    room = await world.waiting()

    await asyncio.gather(
        *(
            rooms.update_room(
                (world, other)[n % 2].context,
                room_id=room.id,
                increment=[FieldIncrement("count", 1), FieldIncrement("sum", 0.5)],
            )
            for n in range(40)
        )
    )

    after = await world.room(room)
    assert (after.custom_fields, after.revision) == ({"count": 40, "sum": 20.0}, room.revision + 40)
    assert isinstance(after.custom_fields["count"], int)


async def test_of_two_concurrent_writers_of_a_unique_value_one_succeeds(world: World, other: World) -> None:
    await define(world, "badge", unique=True, target=VISITOR)

    answers = await asyncio.gather(
        *(
            visitors.save_visitor((world, other)[n % 2].context, token=f"t{n}", custom_fields=values(badge="a"))
            for n in range(10)
        ),
        return_exceptions=True,
    )

    refusals = [answer for answer in answers if isinstance(answer, Exception)]
    assert len(refusals) == 9
    assert {str(one) for one in refusals} == {'Another visitor holds badge "a" already; it is unique.'}
    assert await world.services.storage.database["visitors"].count_documents({}) == 2


async def test_facts_of_a_room_have_its_fields_before_and_after(world: World) -> None:
    await define(world, "caseId", target=ROOM)
    await define(world, "score", NUMBER, target=ROOM)
    room = await world.start(custom_fields=values(caseId="c-1"))
    head = await world.head()

    await rooms.update_room(
        world.context,
        room_id=room.id,
        custom_fields=values(caseId=None),
        increment=[FieldIncrement("score", 2)],
    )
    closed = await rooms.close_room(world.context, room_id=room.id, custom_fields=values(score=5, caseId="c-2"))

    updated, ended = await world.facts(head)
    assert isinstance(updated, RoomUpdated)
    assert updated.changes == (Change("customFields.caseId", "c-1"), Change("customFields.score"))
    assert updated.room.room.custom_fields == {"score": 2}
    assert isinstance(ended, RoomClosed)
    assert ended.room.room.custom_fields == closed.custom_fields == {"score": 5, "caseId": "c-2"}


@pytest.mark.parametrize(
    ("assignments", "increments", "kind", "message", "data"),
    [
        (
            values(nothing=1),
            [],
            UnknownField,
            'There is no custom field "nothing" here; defined are "caseId", "score".',
            {"key": "nothing"},
        ),
        (
            [],
            [FieldIncrement("nothing", 1)],
            UnknownField,
            'There is no custom field "nothing" here; defined are "caseId", "score".',
            {"key": "nothing"},
        ),
        (
            [],
            [FieldIncrement("caseId", 1)],
            InvalidFieldValue,
            'Increment of custom field "caseId": only a NUMBER can be incremented, and the field is a TEXT.',
            {"key": "caseId", "expected": "NUMBER"},
        ),
        (
            values(score=1),
            [FieldIncrement("score", 1)],
            Invalid,
            'Custom field "score" is given twice.',
            {"key": "score"},
        ),
        (
            [],
            [FieldIncrement("score", 2.0**53 - 1)],
            InvalidFieldValue,
            (
                'Increment of custom field "score", the result: expected NUMBER from '
                "-9007199254740991 to 9007199254740991, got 9007199254740992 (Int)."
            ),
            {"key": "score", "expected": "NUMBER from -9007199254740991 to 9007199254740991"},
        ),
        (values(caseId=None), [], FieldRequired, 'Custom field "caseId" is required.', {"key": "caseId"}),
        (
            values(caseId="c-1"),
            [],
            Duplicate,
            'Another room holds caseId "c-1" already; it is unique.',
            {"key": "caseId"},
        ),
    ],
)
async def test_a_refused_update_of_a_room_changes_nothing(
    world: World,
    assignments: list[FieldAssignment],
    increments: list[FieldIncrement],
    kind: type[SwitchboardError],
    message: str,
    data: dict[str, Any],
) -> None:
    await define(world, "caseId", target=ROOM, unique=True, required=True)
    await define(world, "score", NUMBER, target=ROOM)
    await world.start(custom_fields=values(caseId="c-1"))
    room = await world.start(custom_fields=values(caseId="c-2", score=1))

    async with refused(world, kind, message, **data):
        await rooms.update_room(
            world.context, room_id=room.id, subject="never written", custom_fields=assignments, increment=increments
        )
    if not increments:
        async with refused(world, kind, message, **data):
            await rooms.close_room(world.context, room_id=room.id, custom_fields=assignments)
