"""Definitions that change in one process, as the others know them and write by them."""

import asyncio
from typing import Any

import pytest

from resolvers import users
from resolvers.custom_fields import define_custom_field, remove_custom_field, update_custom_field
from storage import users as stored_users
from storage.errors import (
    InvalidFieldValue,
    UnknownField,
)
from storage.records import FieldDefinition, FieldTarget, FieldType, User, UserType
from storage.transactions import Transaction
from tests.resolvers.refusals import refused, values
from tests.resolvers.worlds import World

TEXT, NUMBER = FieldType.TEXT, FieldType.NUMBER
USER = FieldTarget.USER


async def define(world: World, key: str, type: FieldType = TEXT, **given: Any) -> FieldDefinition:
    given.setdefault("target", USER)
    return await define_custom_field(world.context, key=key, type=type, **given)


async def create(world: World, username: str, **fields: object) -> User:
    return await users.create_user(world.context, username=username, type=UserType.USER, custom_fields=values(**fields))


async def assign(world: World, user: User, **fields: object) -> User:
    return await users.update_user(world.context, user_id=user.id, custom_fields=values(**fields))


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
