"""Definitions are created, changed and removed while entities have values."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from resolvers import users
from resolvers.custom_fields import definitions
from resolvers.custom_fields.definitions import FieldRef, define_custom_field, remove_custom_field, update_custom_field
from storage import maintenance
from storage.custom_fields import purges
from storage.errors import (
    Duplicate,
    FieldRequired,
    Forbidden,
    Invalid,
    InvalidFieldValue,
    NotFound,
    SwitchboardError,
)
from storage.facts import CustomFieldDefined, CustomFieldRemoved, CustomFieldUpdated
from storage.records import FieldDefinition, FieldTarget, FieldType, User, UserType
from tests.resolvers.refusals import kinds, refused, scoped, values
from tests.resolvers.world import World

TEXT, NUMBER, SELECT = FieldType.TEXT, FieldType.NUMBER, FieldType.SELECT
USER, VISITOR, ROOM = FieldTarget.USER, FieldTarget.VISITOR, FieldTarget.ROOM


async def define(world: World, key: str, type: FieldType = TEXT, **given: Any) -> FieldDefinition:
    given.setdefault("target", USER)
    return await define_custom_field(world.context, key=key, type=type, **given)


async def create(world: World, username: str, **fields: object) -> User:
    return await users.create_user(world.context, username=username, type=UserType.USER, custom_fields=values(**fields))


async def assign(world: World, user: User, **fields: object) -> User:
    return await users.update_user(world.context, user_id=user.id, custom_fields=values(**fields))


async def tend(world: World) -> None:
    await maintenance.reconcile_definitions(world.context.reader, world.services.storage.process)


@asynccontextmanager
async def idle_maintenance(world: World) -> AsyncIterator[None]:
    """Hold the lease of maintenance for the duration of the block, so that no process runs it."""
    leases = world.services.storage.database["leases"]
    idle = {"holder": "idle", "until": datetime(2999, 1, 1, tzinfo=UTC)}
    await leases.replace_one({"_id": "maintenance"}, idle, upsert=True)
    yield
    await leases.delete_one({"_id": "maintenance"})


# ---------------------------------------------------------------- define


async def test_a_definition_has_the_values_of_its_creation(world: World) -> None:
    head = await world.head()

    made = await define(world, "plan", SELECT, label="Plan", options=["free", "paid"])

    assert (made.target, made.key, made.type, made.label) == (USER, "plan", SELECT, "Plan")
    assert (made.required, made.unique, made.options, made.pattern) == (False, False, ("free", "paid"), None)
    assert await definitions.list_definitions(world.context, target=USER) == [made]
    assert await definitions.list_definitions(world.context, target=ROOM) == []
    (fact,) = await world.facts(head)
    assert isinstance(fact, CustomFieldDefined)
    assert fact.definition == made


async def test_the_key_is_the_default_of_the_label(world: World) -> None:
    assert (await define(world, "plan")).label == "plan"


async def test_a_key_is_defined_once_per_target(world: World) -> None:
    await define(world, "plan")
    await define(world, "plan", target=ROOM)

    async with refused(world, Duplicate, "Users have a custom field plan already.", key="key"):
        await define(world, "plan", NUMBER)


async def test_of_two_concurrent_definitions_of_one_key_one_succeeds(world: World, other: World) -> None:
    answers = await asyncio.gather(
        *(define((world, other)[n % 2], "plan", unique=bool(n % 2)) for n in range(8)), return_exceptions=True
    )

    assert sum(isinstance(answer, FieldDefinition) for answer in answers) == 1
    assert {str(answer) for answer in answers if isinstance(answer, Exception)} == {
        "Users have a custom field plan already."
    }
    assert len(await definitions.list_definitions(world.context)) == 1


async def test_a_required_field_applies_to_entities_created_later(world: World) -> None:
    anna = await create(world, "anna")

    await define(world, "plan", required=True)

    assert (await users.update_user(world.context, user_id=anna.id, name="Anna")).custom_fields == {}
    async with refused(world, FieldRequired, 'Required custom fields are missing: "plan".', key="plan"):
        await create(world, "bert")


async def test_the_number_of_unique_fields_is_limited(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "MAX_UNIQUE", 1)
    monkeypatch.setattr(definitions, "MAX_DEFINITIONS", 2)
    await define(world, "a", unique=True)

    async with refused(world, Invalid, "Users take up to 1 unique custom fields.", key="unique"):
        await define(world, "b", unique=True)
    await define(world, "b")
    async with refused(world, Invalid, "Users take up to 2 custom fields.", key="key"):
        await define(world, "c")
    await define(world, "c", target=ROOM)


async def test_definitions_need_their_scope(world: World) -> None:
    made = await define(world, "plan")
    context = scoped(world, "users:write")

    message = "This needs the scope fields:write, which this token does not have."
    async with refused(world, Forbidden, message, scope="fields:write"):
        await define_custom_field(context, target=USER, key="x", type=TEXT)
    async with refused(world, Forbidden, message, scope="fields:write"):
        await update_custom_field(context, id=made.id, label="x")
    async with refused(world, Forbidden, message, scope="fields:write"):
        await remove_custom_field(context, id=made.id)


async def test_an_unknown_definition_is_not_found(world: World) -> None:
    message = 'There is no custom field definition "nothing".'
    async with refused(world, NotFound, message, key="id"):
        await update_custom_field(world.context, id="nothing", label="x")
    async with refused(world, NotFound, message, key="id"):
        await remove_custom_field(world.context, id="nothing")


# ---------------------------------------------------------------- change, with values in place


async def test_an_update_changes_only_its_arguments(world: World) -> None:
    made = await define(world, "plan", SELECT, options=["free", "paid"])
    await create(world, "anna", plan="paid")
    head = await world.head()

    after = await update_custom_field(
        world.context, id=made.id, label="Plan", required=True, unique=True, options=["paid", "gold"]
    )

    assert (after.label, after.required, after.unique, after.options) == ("Plan", True, True, ("paid", "gold"))
    (fact,) = await world.facts(head)
    assert isinstance(fact, CustomFieldUpdated)
    assert fact.definition == after
    assert await update_custom_field(world.context, id=made.id, label="Plan", unique=True) == after
    assert len(await world.facts(head)) == 1


async def test_null_removes_the_label_and_the_constraints(world: World) -> None:
    made = await define(world, "plan", label="Plan", unique=True, pattern="[a-z]+")

    after = await update_custom_field(world.context, id=made.id, label=None, unique=None, pattern=None, required=None)

    assert (after.label, after.unique, after.pattern, after.required) == ("plan", False, None, False)


@pytest.mark.parametrize(
    ("given", "rule", "kind", "message", "data"),
    [
        (
            {},
            {"required": True},
            FieldRequired,
            'Users without "plan" exist, so it cannot be required: "{5}". Give them a value first.',
            {"key": "plan", "offenders": ["{5}"]},
        ),
        (
            {},
            {"unique": True},
            Duplicate,
            (
                '"plan" cannot be unique: several users hold the same value: "free" by "{0}", "{1}"; '
                '"paid" by "{2}", "{3}", "{4}".'
            ),
            {"key": "plan", "offenders": ["{0}", "{1}", "{2}", "{3}", "{4}"]},
        ),
        (
            {},
            {"pattern": "fr.*"},
            InvalidFieldValue,
            'Values of "plan" that are held already break the new rule: "{2}", "{3}", "{4}".',
            {"key": "plan", "expected": "TEXT that matches fr.*", "offenders": ["{2}", "{3}", "{4}"]},
        ),
        (
            {"type": SELECT, "options": ["free", "paid"]},
            {"options": ["paid"]},
            InvalidFieldValue,
            'Values of "plan" that are held already break the new rule: "{0}", "{1}".',
            {"key": "plan", "expected": 'SELECT of "paid"', "offenders": ["{0}", "{1}"]},
        ),
    ],
)
async def test_a_constraint_that_values_violate_is_refused_with_the_first_offenders(
    world: World,
    given: dict[str, Any],
    rule: dict[str, Any],
    kind: type[SwitchboardError],
    message: str,
    data: dict[str, Any],
) -> None:
    made = await define(world, "plan", **given)
    held = ["free", "free", "paid", "paid", "paid"]
    ids = [(await create(world, f"u{n}", plan=value)).id for n, value in enumerate(held)]
    ids.append((await create(world, "none")).id)

    data = {
        key: [one.format(*ids) for one in value] if isinstance(value, list) else value for key, value in data.items()
    }
    async with refused(world, kind, message.format(*ids), **data):
        await update_custom_field(world.context, id=made.id, **rule)
    await create(world, "another", plan="free")


async def test_every_process_enforces_a_new_unique_constraint(world: World, other: World) -> None:
    made = await define(world, "badge")
    await create(world, "anna", badge="a")

    await update_custom_field(world.context, id=made.id, unique=True)

    async with refused(world, Duplicate, 'Another user holds badge "a" already; it is unique.', key="badge"):
        await create(other, "bert", badge="a")
    assert (await users.find_user(world.context, custom_field=FieldRef("badge", "a"))) is not None


async def test_a_field_that_is_no_longer_unique_accepts_duplicates(world: World, other: World) -> None:
    made = await define(world, "badge", unique=True)
    await create(world, "anna", badge="a")

    await update_custom_field(world.context, id=made.id, unique=False)

    assert (await create(world, "bert", badge="a")).custom_fields == {"badge": "a"}
    assert (await create(other, "clea", badge="a")).custom_fields == {"badge": "a"}


async def test_unique_can_be_removed_and_set_in_succession(world: World) -> None:
    made = await define(world, "badge", unique=True)

    await update_custom_field(world.context, id=made.id, unique=False)
    await update_custom_field(world.context, id=made.id, unique=True)
    await create(world, "anna", badge="a")
    await tend(world)

    async with refused(world, Duplicate, 'Another user holds badge "a" already; it is unique.', key="badge"):
        await create(world, "bert", badge="a")


async def test_a_missing_index_of_a_unique_field_is_created_again(world: World) -> None:
    made = await define(world, "badge", unique=True)
    await world.services.storage.database["users"].drop_index(f"unique_{made.id}")

    await tend(world)

    await create(world, "anna", badge="a")
    with pytest.raises(Duplicate):
        await create(world, "bert", badge="a")


# ---------------------------------------------------------------- remove


async def test_a_removed_field_is_absent_immediately_and_its_values_are_purged(world: World) -> None:
    made = await define(world, "plan", unique=True)
    ids = [(await create(world, f"u{n}", plan=f"p{n}")).id for n in range(5)]
    head = await world.head()

    removed = await remove_custom_field(world.context, id=made.id)
    seen = [await users.find_user(world.context, id=one) for one in ids]
    async with asyncio.timeout(60):
        while not (removal := (await definitions.list_purges(world.context))[0]).done_at:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    assert removed == made
    assert [user and dict(user.custom_fields) for user in seen] == [{}] * 5
    (fact,) = await world.facts(head)
    assert isinstance(fact, CustomFieldRemoved)
    assert fact.definition == made
    assert (removal.id, removal.target, removal.key, removal.total, removal.purged) == (made.id, USER, "plan", 5, 5)
    documents = await world.services.storage.database["users"].find({}).to_list(None)
    assert [(document["fields"], document["attrs"]) for document in documents] == [({}, [])] * 5
    indexes = await world.services.storage.database["users"].index_information()
    assert f"unique_{made.id}" not in indexes


async def test_a_purge_of_a_dead_process_is_continued(world: World) -> None:
    reader = world.context.reader
    made = await define(world, "plan")
    for n in range(5):
        await create(world, f"u{n}", plan="x")
    async with idle_maintenance(world):
        await remove_custom_field(world.context, id=made.id)

        steps = []
        while await maintenance.purge_removed_fields(reader, world.services.storage.process, limit=2):
            (removal,) = await purges.list_all(reader)
            steps.append((removal.total, removal.purged, removal.done_at is not None))

    assert steps == [(5, 2, False), (5, 4, False), (5, 5, False)]
    assert (await purges.list_all(reader))[0].done_at is not None


async def test_a_removed_key_can_be_defined_again_with_another_type(world: World, other: World) -> None:
    made = await define(world, "plan", TEXT, unique=True)
    anna = await create(world, "anna", plan="x")
    bert = await create(world, "bert", plan="y")

    await remove_custom_field(world.context, id=made.id)
    await define(world, "plan", NUMBER)

    for one in (world, other):
        seen = await users.find_user(one.context, id=anna.id)
        assert seen is not None
        assert seen.custom_fields == {}
    assert (await assign(other, anna, plan=1)).custom_fields == {"plan": 1}
    assert (await assign(world, bert, plan=1)).custom_fields == {"plan": 1}
    async with refused(
        world,
        InvalidFieldValue,
        'Custom field "plan": expected NUMBER, got "x" (String).',
        key="plan",
        expected="NUMBER",
    ):
        await assign(world, anna, plan="x")


async def test_changes_of_definitions_record_facts(world: World) -> None:
    head = await world.head()

    made = await define(world, "plan")
    await update_custom_field(world.context, id=made.id, label="Plan")
    await remove_custom_field(world.context, id=made.id)

    assert kinds(await world.facts(head)) == ["CUSTOM_FIELD_DEFINED", "CUSTOM_FIELD_UPDATED", "CUSTOM_FIELD_REMOVED"]
