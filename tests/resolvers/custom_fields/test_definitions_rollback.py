"""Changes of definitions that fail, or whose process dies, leave no index, no lease and no pending definition."""

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from pymongo import IndexModel

from resolvers import users
from resolvers.custom_fields import constraint_checks
from resolvers.custom_fields.definitions import define_custom_field, update_custom_field
from storage import maintenance
from storage.custom_fields import definition_leases, unique_indexes
from storage.custom_fields import definitions as stored_definitions
from storage.errors import Duplicate, Invalid, InvalidFieldValue, Unavailable
from storage.mongo.connection import Database
from storage.records import FieldDefinition, FieldTarget, FieldType, User, UserType
from storage.transactions.heartbeats import ProcessHeartbeat
from storage.transactions.transaction import Transaction
from tests.resolvers.refusals import refused, values
from tests.resolvers.world import World
from tests.storage.support import until

USER, VISITOR = FieldTarget.USER, FieldTarget.VISITOR
TEXT, SELECT = FieldType.TEXT, FieldType.SELECT


async def define(world: World, key: str, type: FieldType = TEXT, **given: Any) -> FieldDefinition:
    given.setdefault("target", USER)
    return await define_custom_field(world.context, key=key, type=type, **given)


async def create(world: World, username: str, **fields: object) -> User:
    return await users.create_user(world.context, username=username, type=UserType.USER, custom_fields=values(**fields))


def database(world: World) -> Database:
    return world.services.storage.database


async def maintain(world: World) -> None:
    await maintenance.reconcile_definitions(world.context.reader, world.services.storage.process)


async def leases(world: World) -> object:
    document = await database(world)["rules"].find_one({}) or {}
    return document.get("claims", {})


async def test_a_refused_duplicate_definition_creates_no_index(world: World) -> None:
    made = await define(world, "badge", unique=True)

    for _ in range(3):
        async with refused(world, Duplicate, "Users have a custom field badge already.", key="key"):
            await define(world, "badge", unique=True)

    assert await unique_indexes.list_all(database(world)) == [(USER, made.id)]


async def test_concurrent_repetitions_leave_one_index_and_no_lease(world: World, other: World) -> None:
    contexts = [replace(one.context, client_mutation_id="same") for one in (world, other)]

    first, second = await asyncio.gather(
        *(define_custom_field(one, target=USER, key="badge", type=TEXT, unique=True) for one in contexts)
    )

    assert first == second
    assert await unique_indexes.list_all(database(world)) == [(USER, first.id)]
    assert await leases(world) == {}


async def test_a_mutation_leaves_no_lease_if_another_committed_the_same_rule(
    world: World, other: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await define(world, "badge")
    await other.services.storage.definition_cache.refresh()
    looked, go_on = asyncio.Event(), asyncio.Event()
    refuse = constraint_checks.require_values_fit

    async def overtaken(tx: Transaction, before: FieldDefinition, after: FieldDefinition) -> None:
        await refuse(tx, before, after)
        if tx.process is other.services.storage.process and tx.attempt == 1:
            looked.set()
            await go_on.wait()

    monkeypatch.setattr(constraint_checks, "require_values_fit", overtaken)
    late = asyncio.create_task(update_custom_field(other.context, id=made.id, required=True))
    await looked.wait()
    await update_custom_field(world.context, id=made.id, required=True)
    go_on.set()

    assert (await late).required
    assert await leases(world) == {}
    await update_custom_field(world.context, id=made.id, required=False)
    for one, username in ((world, "anna"), (other, "bert")):
        assert (await create(one, username)).custom_fields == {}


async def test_a_failed_mutation_drops_its_index(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.services.storage.transactions, "timeout_seconds", 0.3)
    made = await define(world, "badge")
    client = database(world).client

    async with await client.start_session() as session, session.start_transaction():
        await database(world)["custom_fields"].update_one({"_id": made.id}, {"$set": {"held": 1}}, session=session)
        with pytest.raises(Unavailable) as caught:
            await update_custom_field(world.context, id=made.id, unique=True)
        await session.abort_transaction()

    async def undone() -> bool:
        return await unique_indexes.list_all(database(world)) == [] and await leases(world) == {}

    assert caught.value.data == {"retryable": True}
    await until(undone)  # the caller may have its error before everything is undone
    for name in ("anna", "bert"):
        await create(world, name, badge="a")


async def test_a_refused_definition_drops_its_index(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(*_: object) -> None:
        raise Duplicate("Somebody was quicker.", key="key")

    monkeypatch.setattr(stored_definitions, "insert", lost)
    async with refused(world, Duplicate, "Somebody was quicker.", key="key"):
        await define(world, "badge", unique=True)

    assert await unique_indexes.list_all(database(world)) == []
    assert await leases(world) == {}


async def test_too_many_indexes_are_invalid_input(world: World) -> None:
    visitors = database(world)["visitors"]
    present = len(await visitors.index_information())
    await visitors.create_indexes([IndexModel([(f"filler{n}", 1)], name=f"filler{n}") for n in range(64 - present)])

    message = 'MongoDB takes no more indexes of visitors, so that "badge" cannot be unique.'
    async with refused(world, Invalid, message, key="unique"):
        await define(world, "badge", target=VISITOR, unique=True)

    for n in range(64 - present):
        await visitors.drop_index(f"filler{n}")


async def test_a_writer_drops_an_unused_index(world: World) -> None:
    made = await define(world, "badge")
    await unique_indexes.create(database(world), made)
    await create(world, "anna", badge="a")

    async with asyncio.timeout(60):
        bert = await create(world, "bert", badge="a")

    assert bert.custom_fields == {"badge": "a"}
    assert await unique_indexes.list_all(database(world)) == []


async def test_maintenance_drops_an_index_only_after_its_process_died(world: World, other: World) -> None:
    made = await define(world, "badge")
    process, dead = other.services.storage.process, ProcessHeartbeat(database(world))
    assert await definition_leases.acquire(process, made.id, owner="builder") is not None
    await unique_indexes.create(database(world), made)

    await maintain(world)
    while_it_lives = await unique_indexes.list_all(database(world))
    await definition_leases.acquire(dead, made.id, owner="builder")
    await dead.deregister()
    await maintain(world)

    assert while_it_lives == [(USER, made.id)]
    assert await unique_indexes.list_all(database(world)) == []
    assert await leases(world) == {}


async def test_maintenance_withdraws_the_pending_definition_of_a_dead_process(world: World) -> None:
    made = await define(world, "plan", SELECT, options=["free", "paid"])
    coming = msgspec.structs.replace(made, options=("free",))
    dead = ProcessHeartbeat(database(world))
    await definition_leases.acquire(dead, made.id, owner="announcer", pending=coming)
    await dead.deregister()
    message = 'Custom field "plan": expected SELECT of "free", got "paid" (String).'
    async with refused(world, InvalidFieldValue, message, key="plan", expected='SELECT of "free"'):
        await create(world, "anna", plan="paid")

    await maintain(world)

    assert (await create(world, "anna", plan="paid")).custom_fields == {"plan": "paid"}
