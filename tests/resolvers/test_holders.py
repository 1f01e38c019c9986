"""The error about a taken value has the id of its holder, for callers that may read the holder."""

from collections.abc import Awaitable
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from resolvers import agents, departments, roles, rooms, users, visitors
from resolvers.custom_fields import definitions
from storage import entities
from storage.errors import Duplicate, EntityId, Taken, UniqueKey, UsernameTaken
from storage.mongo.deadlines import BoundedCollection
from storage.records import FieldTarget, FieldType
from tests.resolvers.refusals import scoped, values
from tests.resolvers.world import World


async def refusal(kind: type[Taken], change: Awaitable[object]) -> dict[str, Any]:
    with pytest.raises(kind) as caught:
        await change
    return caught.value.data


async def unique(world: World, target: FieldTarget) -> None:
    await definitions.define_custom_field(world.context, target=target, key="case", type=FieldType.TEXT, unique=True)


async def test_holder_of_a_user_value_is_named(world: World) -> None:
    await unique(world, FieldTarget.USER)
    anna = await users.create_user(world.context, username="änna", custom_fields=values(case="1"))
    holder = {"id": EntityId("user", anna.id)}

    for username in ("änna", "ÄNNA", "a\u0308nna"):
        assert await refusal(UsernameTaken, users.create_user(world.context, username=username)) == {"holder": holder}
    bert = users.create_user(world.context, username="bert", custom_fields=values(case="1"))
    assert await refusal(Duplicate, bert) == {"key": "case", "holder": holder}
    ensured = agents.ensure_agent(world.context, by=definitions.FieldRef("case", "2"), username="Änna")
    assert await refusal(UsernameTaken, ensured) == {"holder": holder}


async def test_holders_among_visitors_roles_and_definitions_are_named(world: World) -> None:
    await unique(world, FieldTarget.VISITOR)
    visitor = await visitors.save_visitor(world.context, token="t1", custom_fields=values(case="1"))
    role = await roles.create_role(world.context, name="r")
    (definition,) = await definitions.list_definitions(world.context)

    again = visitors.save_visitor(world.context, token="t2", custom_fields=values(case="1"))
    assert await refusal(Duplicate, again) == {"key": "case", "holder": {"id": EntityId("visitor", visitor.id)}}
    twice = roles.create_role(world.context, name="r")
    assert await refusal(Duplicate, twice) == {"key": "name", "holder": {"id": EntityId("role", role.id)}}
    defined = await refusal(Duplicate, unique(world, FieldTarget.VISITOR))
    assert defined == {"key": "key", "holder": {"id": EntityId("custom field definition", definition.id)}}


async def test_holder_is_null_for_callers_that_may_not_read_it(world: World) -> None:
    await unique(world, FieldTarget.USER)
    await users.create_user(world.context, username="anna", custom_fields=values(case="1"))
    context = scoped(world, "users:write")

    assert await refusal(UsernameTaken, users.create_user(context, username="Anna")) == {}
    bert = users.create_user(context, username="bert", custom_fields=values(case="1"))
    assert await refusal(Duplicate, bert) == {"key": "case"}


async def test_holder_is_a_room_only_if_the_agent_may_see_it(world: World) -> None:
    await unique(world, FieldTarget.ROOM)
    await world.visitor()
    anna, other = await world.agent("anna"), await departments.create_department(world.context, name="other")
    seen = await world.start(custom_fields=values(case="1"))
    await world.start(other, custom_fields=values(case="2"))
    mine = await world.start()
    context = world.logged_in(anna)

    for value, holder in (("1", {"holder": {"id": EntityId("room", seen.id)}}), ("2", {})):
        change = rooms.update_room(context, room_id=mine.id, custom_fields=values(case=value))
        assert await refusal(Duplicate, change) == {"key": "case", **holder}


@pytest.mark.parametrize("seconds", [0.0, 30.0])
async def test_a_failed_read_of_the_holder_leaves_the_refusal(
    world: World, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """The read fails at its time limit or at MongoDB. It is attempted once for each refusal."""
    await users.create_user(world.context, username="anna")
    find_one, failures = BoundedCollection.find_one, 0

    def failing(collection: BoundedCollection, query: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal failures
        if args == ({"_id": 1},) and seconds:
            failures += 1
            raise OperationFailure("not authorized", 13)
        return find_one(collection, query, *args, **kwargs)

    monkeypatch.setattr(BoundedCollection, "find_one", failing)
    monkeypatch.setattr(entities, "HOLDER_SECONDS", seconds)

    assert await refusal(UsernameTaken, users.create_user(world.context, username="anna")) == {}
    # A mutation that is repeated is refused again, so one read is counted apart from it.
    before, key = failures, UniqueKey("user", "users", {"username": "anna"})
    assert await entities.find_holder(world.context.reader, key, {}) is None
    assert failures - before == (1 if seconds else 0)
    assert (before > 0) == (seconds > 0)
