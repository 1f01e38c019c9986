"""Definitions that change in one process while another one writes values."""

import asyncio
from typing import Any

import pytest

from resolvers import users
from resolvers.custom_fields import definitions
from resolvers.custom_fields.definitions import define_custom_field, remove_custom_field, update_custom_field
from storage import users as stored_users
from storage.custom_fields import epochs
from storage.errors import EntityId, FieldRequired, InvalidFieldValue, SwitchboardError, Unavailable, UnknownField
from storage.facts import UserCreated
from storage.mongo.connection import new_id
from storage.records import FieldDefinition, FieldTarget, FieldType, User, UserType
from storage.transactions.transaction import Transaction
from tests.resolvers.refusals import refused, values
from tests.resolvers.world import World
from tests.storage.support import until

TEXT, NUMBER = FieldType.TEXT, FieldType.NUMBER
USER = FieldTarget.USER


async def define(world: World, key: str, type: FieldType = TEXT, **given: Any) -> FieldDefinition:
    given.setdefault("target", USER)
    return await define_custom_field(world.context, key=key, type=type, **given)


async def create(world: World, username: str, **fields: object) -> User:
    return await users.create_user(world.context, username=username, type=UserType.USER, custom_fields=values(**fields))


async def assign(world: World, user: User, **fields: object) -> User:
    return await users.update_user(world.context, user_id=user.id, custom_fields=values(**fields))


async def test_every_process_can_use_a_new_field_immediately(world: World, other: World) -> None:
    await define(world, "plan")

    anna = await create(other, "anna", plan="free")

    assert (await world.user(anna)).custom_fields == {"plan": "free"}


async def test_every_process_enforces_a_rule_after_its_fact(world: World, other: World) -> None:
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


async def test_a_process_keeps_values_of_fields_that_it_has_not_cached(world: World, other: World) -> None:
    anna = await create(world, "anna")
    await define(world, "plan")
    await assign(world, anna, plan="free")
    await arrived(world, other)
    other.services.storage.definition_cache._by_id.clear()  # the cache before the fact
    renamed = await users.update_user(other.context, user_id=anna.id, name="Anna")

    assert renamed.custom_fields == {"plan": "free"}
    assert (await world.user(anna)).custom_fields == {"plan": "free"}


async def test_no_value_is_committed_that_was_checked_by_an_outdated_definition(world: World) -> None:
    """A mutation whose field is removed and defined again meanwhile runs again, and is refused."""
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

    await storage.transactions.run(body)

    assert attempts[:2] == [{"plan": "old"}, {}]
    assert (await world.user(anna)).custom_fields == {}


# ---------------------------------------------------------------- with an outdated cache


def miss_facts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the updates of the definition cache of this process, as if it were suspended."""

    async def no_news() -> None:
        pass

    monkeypatch.setattr(world.services.storage.definition_cache, "apply", lambda fact: None)
    monkeypatch.setattr(world.services.storage.definition_cache, "catch_up", no_news)


async def test_the_first_required_field_applies_to_a_process_without_definitions(
    world: World, other: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    miss_facts(other, monkeypatch)
    await define(world, "owner", required=True)

    async with refused(world, FieldRequired, 'Required custom fields are missing: "owner".', key="owner"):
        await create(other, "anna")


@pytest.mark.parametrize("value", ["new", "old"])
async def test_values_written_during_a_redefinition_are_not_lost(
    world: World, other: World, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    made = await define(world, "plan")
    anna = await create(other, "anna", plan="old")
    miss_facts(other, monkeypatch)
    await remove_custom_field(world.context, id=made.id)
    await define(world, "plan")

    answered = await assign(other, anna, plan=value)

    assert answered.custom_fields == {"plan": value}
    assert (await world.user(anna)).custom_fields == {"plan": value}


async def test_new_entities_have_the_fields_required_at_their_commit(
    world: World, other: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await define(world, "plan")
    await create(other, "anna", plan="free")
    miss_facts(other, monkeypatch)
    await define(world, "owner", required=True)

    async with refused(world, FieldRequired, 'Required custom fields are missing: "owner".', key="owner"):
        await create(other, "bert")


async def test_no_value_is_refused_by_an_outdated_rule(
    world: World, other: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await define(world, "plan", pattern="[a-z]+")
    await create(other, "anna", plan="free")
    miss_facts(other, monkeypatch)
    await update_custom_field(world.context, id=made.id, pattern=None)

    assert (await create(other, "bert", plan="7")).custom_fields == {"plan": "7"}


# ---------------------------------------------------------------- with running transactions


async def begin(world: World, username: str, go: asyncio.Event, **fields: object) -> asyncio.Task[Any]:
    """Start a transaction that writes a user, and commits when `go` is set."""
    written = asyncio.Event()
    await world.services.storage.definition_cache.catch_up()

    async def body(tx: Transaction) -> None:
        held = await definitions.assign(tx, USER, {}, values(**fields), creating=True)
        user = User(id=new_id(tx.now), username=username, custom_fields=held, created_at=tx.now, updated_at=tx.now)
        await stored_users.insert(tx, user, UserCreated)
        await tx.flush()
        written.set()
        await go.wait()

    running = asyncio.create_task(world.services.storage.transactions.run(body))
    await written.wait()
    return running


async def pending(world: World) -> None:
    """Return when a definition is pending."""

    async def is_pending() -> bool:
        return bool((await epochs.read(world.services.storage.database)).pending)

    await until(is_pending)


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize(
    ("given", "held", "rule", "kind"),
    [
        ({"type": FieldType.SELECT, "options": ["a", "b"]}, "b", {"options": ["a"]}, InvalidFieldValue),
        ({"type": FieldType.MULTI_SELECT, "options": ["a", "b"]}, ["b"], {"options": ["a"]}, InvalidFieldValue),
        ({}, "b", {"pattern": "a+"}, InvalidFieldValue),
        ({}, None, {"required": True}, FieldRequired),
    ],
)
async def test_a_constraint_check_includes_values_of_running_mutations(
    world: World,
    other: World,
    elsewhere: bool,
    given: dict[str, Any],
    held: object,
    rule: dict[str, Any],
    kind: type[SwitchboardError],
) -> None:
    made = await define(world, "plan", **given)
    go = asyncio.Event()
    fields = {} if held is None else {"plan": held}
    writing = await begin(other if elsewhere else world, "anna", go, **fields)

    changing = asyncio.create_task(update_custom_field(world.context, id=made.id, **rule))
    await pending(world)
    for one in (world, other):  # from now on, new mutations cannot write a value that the constraint forbids
        with pytest.raises(kind):
            await create(one, "bert", **fields)
    go.set()
    await writing

    with pytest.raises(kind) as refusal:
        await changing
    anna = await users.find_user(world.context, username="anna")
    assert anna is not None
    assert refusal.value.data["offenders"] == [EntityId("user", anna.id)]
    assert (await definitions.list_definitions(world.context)) == [made]
    for number, one in enumerate((world, other)):
        assert (await create(one, f"c{number}", **fields)).custom_fields == fields


async def test_a_tighter_rule_waits_for_running_transactions(world: World, other: World) -> None:
    made = await define(world, "plan")
    go = asyncio.Event()
    writing = await begin(other, "anna", go, plan="aa")

    changing = asyncio.create_task(update_custom_field(world.context, id=made.id, pattern="a+"))
    await pending(world)
    shown = await definitions.list_definitions(other.context)
    go.set()
    await writing

    assert shown == [made]
    assert (await changing).pattern == "a+"
    assert not (await epochs.read(world.services.storage.database)).pending


async def test_a_tighter_rule_waits_for_a_silent_process_until_it_is_reaped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await define(world, "plan")
    processes = world.services.storage.database["processes"]
    await processes.insert_one({"_id": "stands still", "beats": 1})

    with monkeypatch.context() as patch:
        patch.setattr(world.services.storage.definition_cache, "epoch_timeout_seconds", 0.1)
        message = "Not all processes keep to the new rule yet; try again."
        async with refused(world, Unavailable, message, retryable=True):
            await update_custom_field(world.context, id=made.id, pattern="a+")
    assert not (await epochs.read(world.services.storage.database)).pending
    await create(world, "anna", plan="a")

    assert (await update_custom_field(world.context, id=made.id, pattern="a+")).pattern == "a+"
    assert await processes.find_one({"_id": "stands still"}) is None


async def arrived(world: World, other: World) -> None:
    """Return when the other process has applied all facts of the log."""
    async with asyncio.timeout(60):
        await other.services.storage.feed.wait(await world.head() - 1)
