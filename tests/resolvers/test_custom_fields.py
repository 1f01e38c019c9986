"""Definitions with data in place: whom their rules bind, and who is named when data breaks a new one."""

from typing import Any

import pytest

from resolvers import rooms, users, visitors
from resolvers.custom_fields import define_custom_field, update_custom_field
from storage.errors import Duplicate, FieldRequired, InvalidFieldValue, SwitchboardError
from storage.records import FieldDefinition, FieldTarget, FieldType, User, UserType
from tests.resolvers.refusals import refused, values
from tests.resolvers.worlds import World


async def define(
    world: World, key: str, type: FieldType = FieldType.TEXT, target: FieldTarget = FieldTarget.USER, **given: Any
) -> FieldDefinition:
    return await define_custom_field(world.context, target=target, key=key, type=type, **given)


async def create(world: World, username: str, **fields: object) -> User:
    given = values(**fields)
    return await users.create_user(world.context, username=username, type=UserType.USER, custom_fields=given)


async def test_a_required_field_binds_who_comes_after_it_and_leaves_the_others_be(world: World) -> None:
    anna = await create(world, "anna")
    await define(world, "badge", required=True)

    renamed = await users.update_user(world.context, user_id=anna.id, name="Anna")

    assert (renamed.name, renamed.custom_fields) == ("Anna", {})
    async with refused(world, FieldRequired, 'Required custom fields are missing: "badge".', key="badge"):
        await create(world, "bert")


async def test_a_room_and_a_visitor_are_not_created_without_what_is_required_of_them(world: World) -> None:
    await define(world, "case", target=FieldTarget.ROOM, required=True)
    await define(world, "customer", target=FieldTarget.VISITOR, required=True)

    async with refused(world, FieldRequired, 'Required custom fields are missing: "case".', key="case"):
        await rooms.start_room(world.context, visitor_token="v")
    async with refused(world, FieldRequired, 'Required custom fields are missing: "customer".', key="customer"):
        await visitors.save_visitor(world.context, token="new")
    known = await visitors.save_visitor(world.context, token="v", name="Known before it was required")
    assert known.custom_fields == {}


async def test_a_field_becomes_required_once_everything_that_can_still_change_has_a_value(world: World) -> None:
    await world.closed()
    waiting = await world.waiting()
    case = await define(world, "case", target=FieldTarget.ROOM)

    message = f'Rooms without "case" exist, so it cannot be required: "{waiting.id}". Give them a value first.'
    async with refused(world, FieldRequired, message, key="case", offenders=[waiting.id]):
        await update_custom_field(world.context, id=case.id, required=True)

    await rooms.update_room(world.context, room_id=waiting.id, custom_fields=values(case="c-1"))
    assert (await update_custom_field(world.context, id=case.id, required=True)).required


@pytest.mark.parametrize(
    ("rule", "kind", "data"),
    [
        ({"unique": True}, Duplicate, {}),
        ({"pattern": "[0-9]+"}, InvalidFieldValue, {"expected": "TEXT that matches [0-9]+"}),
    ],
)
async def test_a_rule_that_values_break_is_refused_with_those_who_hold_them(
    world: World, rule: dict[str, Any], kind: type[SwitchboardError], data: dict[str, Any]
) -> None:
    team = await define(world, "team")
    anna, bert = await create(world, "anna", team="a"), await create(world, "bert", team="a")

    with pytest.raises(kind) as refusal:
        await update_custom_field(world.context, id=team.id, **rule)

    assert refusal.value.data == {"key": "team", "offenders": [anna.id, bert.id], **data}


async def test_options_that_are_held_cannot_go(world: World) -> None:
    size = await define(world, "size", FieldType.SELECT, options=["S", "M"])
    anna = await create(world, "anna", size="S")

    with pytest.raises(InvalidFieldValue) as refusal:
        await update_custom_field(world.context, id=size.id, options=["M", "L"])

    expected = refusal.value.data.pop("expected")
    assert str(expected).startswith("SELECT of ")
    assert refusal.value.data == {"key": "size", "offenders": [anna.id]}
