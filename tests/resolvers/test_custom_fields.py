"""Definitions are made, changed and removed while there are values, in one process while others write."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from resolvers import custom_fields, rooms, users, visitors
from resolvers.custom_fields import FieldRef, define_custom_field, remove_custom_field, update_custom_field
from resolvers.field_values import FieldAssignment, FieldIncrement
from storage import maintenance, removals
from storage import users as stored_users
from storage.errors import (
    Duplicate,
    FieldRequired,
    Forbidden,
    Invalid,
    InvalidFieldValue,
    NotFound,
    SwitchboardError,
    UnknownField,
)
from storage.facts import CustomFieldDefined, CustomFieldRemoved, CustomFieldUpdated, RoomClosed, RoomUpdated
from storage.records import FieldDefinition, FieldTarget, FieldType, User, UserType
from storage.transactions import Transaction
from tests.resolvers.refusals import kinds, refused, scoped, values
from tests.resolvers.worlds import World

TEXT, NUMBER, SELECT = FieldType.TEXT, FieldType.NUMBER, FieldType.SELECT
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
    """While the block lasts, somebody holds the lease of the work and does nothing."""
    leases = world.services.storage.database["leases"]
    idle = {"holder": "idle", "until": datetime(2999, 1, 1, tzinfo=UTC)}
    await leases.replace_one({"_id": "maintenance"}, idle, upsert=True)
    yield
    await leases.delete_one({"_id": "maintenance"})


# ---------------------------------------------------------------- define


async def test_a_definition_holds_what_it_was_made_with(world: World) -> None:
    head = await world.head()

    made = await define(world, "plan", SELECT, label="Plan", options=["free", "paid"])

    assert (made.target, made.key, made.type, made.label) == (USER, "plan", SELECT, "Plan")
    assert (made.required, made.unique, made.options, made.pattern) == (False, False, ("free", "paid"), None)
    assert await custom_fields.list_definitions(world.context, target=USER) == [made]
    assert await custom_fields.list_definitions(world.context, target=ROOM) == []
    (fact,) = await world.facts(head)
    assert isinstance(fact, CustomFieldDefined)
    assert fact.definition == made


async def test_a_key_is_the_label_until_there_is_one(world: World) -> None:
    assert (await define(world, "plan")).label == "plan"


async def test_a_key_is_defined_once_per_target(world: World) -> None:
    await define(world, "plan")
    await define(world, "plan", target=ROOM)

    async with refused(world, Duplicate, "Users have a custom field plan already.", key="key"):
        await define(world, "plan", NUMBER)


async def test_of_two_that_define_one_key_at_once_one_does(world: World, other: World) -> None:
    answers = await asyncio.gather(
        *(define((world, other)[n % 2], "plan", unique=bool(n % 2)) for n in range(8)), return_exceptions=True
    )

    assert sum(isinstance(answer, FieldDefinition) for answer in answers) == 1
    assert {str(answer) for answer in answers if isinstance(answer, Exception)} == {
        "Users have a custom field plan already."
    }
    assert len(await custom_fields.list_definitions(world.context)) == 1


async def test_a_required_field_binds_whatever_is_created_from_then_on(world: World) -> None:
    anna = await create(world, "anna")

    await define(world, "plan", required=True)

    assert (await users.update_user(world.context, user_id=anna.id, name="Anna")).custom_fields == {}
    async with refused(world, FieldRequired, 'Required custom fields are missing: "plan".', key="plan"):
        await create(world, "bert")


async def test_there_are_so_many_unique_fields_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom_fields, "MAX_UNIQUE", 1)
    monkeypatch.setattr(custom_fields, "MAX_DEFINITIONS", 2)
    await define(world, "a", unique=True)

    async with refused(world, Invalid, "Users take up to 1 unique custom fields.", key="unique"):
        await define(world, "b", unique=True)
    await define(world, "b")
    async with refused(world, Invalid, "Users take up to 2 custom fields.", key="key"):
        await define(world, "c")
    await define(world, "c", target=ROOM)


async def test_definitions_ask_for_their_scope(world: World) -> None:
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


async def test_what_is_given_is_changed(world: World) -> None:
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


async def test_null_takes_the_label_and_the_rules_away(world: World) -> None:
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
async def test_a_rule_that_values_break_is_refused_with_the_first_offenders(
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

    told = {
        key: [one.format(*ids) for one in value] if isinstance(value, list) else value for key, value in data.items()
    }
    async with refused(world, kind, message.format(*ids), **told):
        await update_custom_field(world.context, id=made.id, **rule)
    await create(world, "another", plan="free")


async def test_a_field_that_became_unique_is_kept_so_in_every_process(world: World, other: World) -> None:
    made = await define(world, "badge")
    await create(world, "anna", badge="a")

    await update_custom_field(world.context, id=made.id, unique=True)

    async with refused(world, Duplicate, 'Another user holds badge "a" already; it is unique.', key="badge"):
        await create(other, "bert", badge="a")
    assert (await users.find_user(world.context, custom_field=FieldRef("badge", "a"))) is not None


async def test_a_field_that_is_no_longer_unique_takes_a_value_twice(world: World, other: World) -> None:
    made = await define(world, "badge", unique=True)
    await create(world, "anna", badge="a")

    await update_custom_field(world.context, id=made.id, unique=False)

    assert (await create(world, "bert", badge="a")).custom_fields == {"badge": "a"}
    assert (await create(other, "clea", badge="a")).custom_fields == {"badge": "a"}


async def test_unique_can_be_taken_and_given_at_once(world: World) -> None:
    made = await define(world, "badge", unique=True)

    await update_custom_field(world.context, id=made.id, unique=False)
    await update_custom_field(world.context, id=made.id, unique=True)
    await create(world, "anna", badge="a")
    await maintenance.tend_unique_fields(world.context.reader)

    async with refused(world, Duplicate, 'Another user holds badge "a" already; it is unique.', key="badge"):
        await create(world, "bert", badge="a")


async def test_a_lost_index_of_a_unique_field_is_made_again(world: World) -> None:
    made = await define(world, "badge", unique=True)
    await world.services.storage.database["users"].drop_index(f"unique_{made.id}")

    await maintenance.tend_unique_fields(world.context.reader)

    await create(world, "anna", badge="a")
    with pytest.raises(Duplicate):
        await create(world, "bert", badge="a")


# ---------------------------------------------------------------- remove


async def test_a_removed_field_is_gone_at_once_and_its_values_soon(world: World) -> None:
    made = await define(world, "plan", unique=True)
    ids = [(await create(world, f"u{n}", plan=f"p{n}")).id for n in range(5)]
    head = await world.head()

    removed = await remove_custom_field(world.context, id=made.id)
    seen = [await users.find_user(world.context, id=one) for one in ids]
    async with asyncio.timeout(10):
        while not (removal := (await custom_fields.list_removals(world.context))[0]).done_at:  # noqa: ASYNC110
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


async def test_what_a_dead_process_left_of_the_work_is_gone_on_with(world: World) -> None:
    reader = world.context.reader
    made = await define(world, "plan")
    for n in range(5):
        await create(world, f"u{n}", plan="x")
    async with idle_maintenance(world):
        await remove_custom_field(world.context, id=made.id)

        steps = []
        while await maintenance.purge_removed_fields(reader, limit=2):
            (removal,) = await removals.list_all(reader)
            steps.append((removal.total, removal.purged, removal.done_at is not None))

    assert steps == [(5, 2, False), (5, 4, False), (5, 5, False)]
    assert (await removals.list_all(reader))[0].done_at is not None


async def test_a_key_can_be_defined_anew_with_another_type_at_once(world: World, other: World) -> None:
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


# ---------------------------------------------------------------- other processes


async def test_a_field_is_known_in_every_process_at_once(world: World, other: World) -> None:
    await define(world, "plan")

    anna = await create(other, "anna", plan="free")

    assert (await world.user(anna)).custom_fields == {"plan": "free"}


async def test_a_rule_binds_every_process_once_its_fact_has_arrived(world: World, other: World) -> None:
    made = await define(world, "plan")
    await create(other, "anna", plan="1")

    await update_custom_field(world.context, id=made.id, pattern="[0-9]+")
    await arrived(world, other)

    message = 'Custom field "plan": expected TEXT that matches [0-9]+, got "x" (String).'
    for one in (world, other):
        async with refused(world, InvalidFieldValue, message, key="plan", expected="TEXT that matches [0-9]+"):
            await create(one, "bert", plan="x")
    await remove_custom_field(world.context, id=made.id)
    await arrived(world, other)
    with pytest.raises(UnknownField):
        await create(other, "bert", plan="1")


async def test_a_value_of_a_field_that_a_process_does_not_know_yet_is_kept(world: World, other: World) -> None:
    anna = await create(world, "anna")
    await define(world, "plan")
    await assign(world, anna, plan="free")
    await arrived(world, other)
    other.services.storage.catalog._by_id.clear()  # as it was before the fact came
    renamed = await users.update_user(other.context, user_id=anna.id, name="Anna")

    assert renamed.custom_fields == {"plan": "free"}
    assert (await world.user(anna)).custom_fields == {"plan": "free"}


async def test_nothing_is_written_that_was_checked_by_a_definition_of_before(world: World) -> None:
    """A change that is overtaken by the removal and redefinition of its field starts again, and is refused then."""
    made = await define(world, "plan", TEXT)
    anna = await create(world, "anna", plan="old")
    storage = world.services.storage
    attempts = []

    async def body(tx: Transaction) -> User:
        before = await stored_users.get(tx, anna.id)
        attempts.append(dict(before.custom_fields))
        if len(attempts) == 1:
            await remove_custom_field(world.context, id=made.id)
            await define(world, "plan", NUMBER)
        return await stored_users.update(tx, before, before)

    await storage.changes.run(body)

    assert attempts[:2] == [{"plan": "old"}, {}]
    assert (await world.user(anna)).custom_fields == {}


async def arrived(world: World, other: World) -> None:
    """Return when the other process has heard everything that happened until now."""
    async with asyncio.timeout(10):
        await other.services.storage.feed.wait(await world.head() - 1)


# ---------------------------------------------------------------- values that are written at once


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


async def test_two_that_want_one_value_of_a_unique_field_get_it_once(world: World, other: World) -> None:
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


async def test_a_room_tells_what_its_fields_were_and_takes_the_last_ones_with_it(world: World) -> None:
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
    assert updated.changes == ("customFields.caseId", "customFields.score")
    assert updated.previous_custom_fields == {"caseId": "c-1"}
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
                'Increment of custom field "score", the result: expected NUMBER, if whole from '
                "-9007199254740991 to 9007199254740991, got 9007199254740992 (Int)."
            ),
            {"key": "score", "expected": "NUMBER, if whole from -9007199254740991 to 9007199254740991"},
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


async def test_kinds_of_facts_about_definitions(world: World) -> None:
    head = await world.head()

    made = await define(world, "plan")
    await update_custom_field(world.context, id=made.id, label="Plan")
    await remove_custom_field(world.context, id=made.id)

    assert kinds(await world.facts(head)) == ["CUSTOM_FIELD_DEFINED", "CUSTOM_FIELD_UPDATED", "CUSTOM_FIELD_REMOVED"]
