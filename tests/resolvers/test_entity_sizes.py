"""An entity with all its fields takes at most 256 KiB in every mutation, and every operation accepts that size."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import bson
import pytest

from resolvers import agents, departments, events, messages, roles, room_starts, rooms, users, visitors
from resolvers.custom_fields import definitions
from resolvers.custom_fields.definitions import FieldRef
from resolvers.custom_fields.values import FieldAssignment
from resolvers.visitors import VisitorValues
from storage import rooms as stored_rooms
from storage import users as stored_users
from storage import visitors as stored_visitors
from storage.entities import Kind
from storage.errors import Invalid
from storage.mongo.pagination import PAGE_BYTES
from storage.records import FieldTarget, FieldType, RoomStatus, RoutingMethod, UserType
from storage.sizes import ENTITY_BYTES, require_storable, size_of
from tests.resolvers.refusals import kinds, refused
from tests.resolvers.world import World

LONGEST = 4_096


async def define(world: World, target: FieldTarget, count: int, **given: Any) -> None:
    for number in range(count):
        await definitions.define_custom_field(
            world.context, target=target, key=f"f{number}", type=FieldType.TEXT, **given
        )


def filled(count: int, text: str = "🙂" * LONGEST) -> list[FieldAssignment]:
    return [FieldAssignment(f"f{number}", text) for number in range(count)]


TOO_LARGE = (
    r"The {noun} with all its fields would take ([\d,]+) bytes as stored; at most 262,144 are allowed\. "
    r"Store less text in its custom fields\."
)


async def test_every_mutation_refuses_an_entity_that_is_too_large(world: World) -> None:
    for target in FieldTarget:
        await define(world, target, 16)
    await definitions.define_custom_field(
        world.context, target=FieldTarget.USER, key="staff", type=FieldType.TEXT, unique=True
    )
    await definitions.define_custom_field(
        world.context, target=FieldTarget.ROOM, key="case", type=FieldType.TEXT, unique=True
    )
    user = await users.create_user(world.context, username="anna", custom_fields=filled(15))
    visitor = await visitors.save_visitor(world.context, token="w", custom_fields=filled(15))
    room = await rooms.start_room(world.context, visitor_token=visitor.token, custom_fields=filled(15))

    ways: dict[str, tuple[Callable[..., Awaitable[object]], dict[str, Any]]] = {
        "create": (users.create_user, {"username": "bert", "custom_fields": filled(16)}),
        "update": (users.update_user, {"user_id": user.id, "custom_fields": filled(16)}),
        "ensure": (
            agents.ensure_agent,
            {"by": FieldRef("staff", "1"), "username": "carl", "custom_fields": filled(16)},
        ),
        "save new": (visitors.save_visitor, {"token": "new", "custom_fields": filled(16)}),
        "save": (visitors.save_visitor, {"token": "w", "custom_fields": filled(16)}),
        "start": (rooms.start_room, {"visitor_token": "v", "custom_fields": filled(16)}),
        "ensure room": (
            room_starts.ensure_room,
            {"by": FieldRef("case", "1"), "visitor": VisitorValues(token="new"), "custom_fields": filled(16)},
        ),
        "update room": (rooms.update_room, {"room_id": room.id, "custom_fields": filled(16)}),
        "close": (rooms.close_room, {"room_id": room.id, "custom_fields": filled(16)}),
        "tags": (rooms.update_room, {"room_id": room.id, "tags": ["🙂" * 125 + str(one) for one in range(100)]}),
    }
    totals = {}
    for name, (operation, given) in ways.items():
        with pytest.raises(Invalid) as caught:
            await operation(world.context, **given)
        totals[name] = caught.value.message
        assert caught.value.data == {"key": "customFields"}
        async with refused(world, Invalid, caught.value.message, key="customFields"):
            await operation(world.context, **given)
    nouns = ["user"] * 3 + ["visitor"] * 2 + ["room"] * 5
    for noun, message in zip(nouns, totals.values(), strict=True):
        total = re.fullmatch(TOO_LARGE.format(noun=noun), message)
        assert total is not None, message
        assert ENTITY_BYTES < int(total[1].replace(",", "")) < ENTITY_BYTES + 64 * 1024


async def test_characters_count_by_their_bytes(world: World) -> None:
    await define(world, FieldTarget.VISITOR, 16)

    saved = await visitors.save_visitor(world.context, token="w", custom_fields=filled(16, "é" * LONGEST))

    assert len(saved.custom_fields) == 16


async def test_roles_that_make_the_index_of_the_fields_too_large_are_refused(world: World) -> None:
    for number in range(40):
        await definitions.define_custom_field(
            world.context, target=FieldTarget.USER, key=f"b{number}", type=FieldType.TEXT
        )
    user = await users.create_user(
        world.context, username="anna", custom_fields=[FieldAssignment(f"b{one}", "x" * LONGEST) for one in range(40)]
    )
    names = [f"{number:03}" + "r" * 61 for number in range(300)]
    for name in names:
        await roles.create_role(world.context, name=name)
    for first in (0, 100):
        await roles.add_roles(world.context, user_id=user.id, roles=names[first : first + 100])
    before = await world.user(user)

    with pytest.raises(Invalid) as caught:
        await roles.add_roles(world.context, user_id=user.id, roles=names[200:])

    assert caught.value.message.startswith("The user with the index of its custom fields would take 1,")
    assert await world.user(user) == before
    fewer = await roles.remove_roles(world.context, user_id=user.id, roles=names[:100])
    assert fewer.roles == tuple(names[100:200])


def test_an_oversized_entity_may_become_smaller_and_not_larger() -> None:
    def before() -> dict[str, object]:
        return {"fields": {"f": "x" * 300_000}}

    require_storable("room", {"fields": {"f": "x" * 290_000}}, before=before)
    with pytest.raises(Invalid):
        require_storable("room", {"fields": {"f": "x" * 300_001}}, before=before)


async def test_the_largest_entities_go_through_every_operation(world: World) -> None:
    for target in FieldTarget:
        await define(world, target, 16)
    manual = await world.department("Manual", RoutingMethod.MANUAL)
    other = await world.department("Other", RoutingMethod.MANUAL)
    visitor = await visitors.save_visitor(world.context, token="w", custom_fields=filled(15))
    people = []
    for name in ("anna", "bert"):
        await users.create_user(world.context, username=name, type=UserType.BOT, custom_fields=filled(15))
        user = await users.find_user(world.context, username=name)
        assert user is not None
        await roles.add_roles(world.context, user_id=user.id, roles=["bot"])
        added = await agents.add_agent(world.context, user_id=user.id, department_ids=[manual.id, other.id])
        people.append(added.user)
    anna, bert = people
    room = await rooms.start_room(
        world.context, visitor_token=visitor.token, department_id=manual.id, custom_fields=filled(15)
    )
    await rooms.update_room(world.context, room_id=room.id, custom_fields=await rest(world, stored_rooms.KIND, room.id))
    fields = await rest(world, stored_visitors.KIND, visitor.id)
    await visitors.save_visitor(world.context, token="w", custom_fields=fields)
    for user in people:
        fields = await rest(world, stored_users.KIND, user.id)
        await users.update_user(world.context, user_id=user.id, custom_fields=fields)
    head = await world.head()

    await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)
    await rooms.transfer_room(world.context, room_id=room.id, to_agent_id=bert.id, comment="c" * 1_000)
    await rooms.hold_room(world.context, room_id=room.id, comment="c" * 1_000)
    await rooms.resume_room(world.context, room_id=room.id)
    await messages.send_message(world.context, room_id=room.id, text="🙂" * 20_000)
    await rooms.update_room(world.context, room_id=room.id, custom_fields=filled(15, "🙃" * LONGEST))
    await rooms.transfer_room(world.context, room_id=room.id, to_department_id=other.id)
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=bert.id)
    await rooms.unassign_agent(world.context, room_id=room.id)
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)
    await agents.remove_agent(world.context, user_id=anna.id)
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=bert.id)
    await users.set_user_active(world.context, user_id=bert.id, active=False)
    await departments.update_department(world.context, department_id=other.id, enabled=False)
    closed = await rooms.close_room(world.context, room_id=room.id, comment="c" * 1_000)

    assert closed.status is RoomStatus.CLOSED
    facts = await world.facts(head)
    largest = max(map(size_of, facts))
    assert 4 * ENTITY_BYTES < largest < 8 * ENTITY_BYTES
    read = []
    after = events.cursor_of(head)
    while True:
        page = await events.list_events(world.context, first=200, after=after)
        read.extend(page.items)
        assert sum(map(size_of, page.items)) < PAGE_BYTES + largest
        if not page.has_next:
            break
        after = page.end_cursor or page.cursors[-1]
    assert kinds(read) == kinds(facts)


async def test_a_page_of_large_entities_ends_early_and_the_next_goes_on(world: World) -> None:
    await define(world, FieldTarget.VISITOR, 16)
    for number in range(20):
        await visitors.save_visitor(world.context, token=f"w{number}", custom_fields=filled(15))

    sizes: list[int] = []
    seen: list[str] = []
    after = None
    while True:
        page = await visitors.list_visitors(world.context, first=200, after=after)
        sizes.append(len(page.items))
        seen.extend(visitor.token for visitor in page.items)
        if not page.has_next:
            break
        after = page.cursors[-1]

    assert seen == ["v", *(f"w{number}" for number in range(20))]
    assert sizes == [19, 2]


async def rest(world: World, kind: Kind[Any], entity_id: str) -> list[FieldAssignment]:
    """A value of one more field that makes the entity as large as allowed."""
    document = await world.context.reader.collection(kind.collection).find_one({"_id": entity_id})
    assert document is not None
    del document["attrs"]
    without_text = len(bson.encode({"": ""})) - len(bson.encode({})) + 26
    spare = ENTITY_BYTES - len(bson.encode(document)) - without_text
    return [FieldAssignment("f15", "🙂" * (spare // 4) + "x" * (spare % 4))]
