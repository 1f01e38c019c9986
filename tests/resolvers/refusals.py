"""What a refusal must leave as it was: everything."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from pymongo.read_concern import ReadConcern

from resolvers.auth.access import Caller
from resolvers.context import Context
from resolvers.custom_fields.values import FieldAssignment
from storage.errors import EntityId, SwitchboardError
from storage.facts import AnyFact, tag_of
from storage.mongo.connection import COLLECTIONS
from tests.resolvers.world import APP, World

#: What processes do beside all changes, and the log, of which the end says enough.
ASIDE = frozenset({"leases", "processes", "removals", "rules", "signals", "log"})


async def everything(world: World) -> dict[str, Any]:
    """All that is stored, once what was done before has been tidied up."""
    storage = world.services.storage
    await storage.appender.wait_for_cleanup()
    now = {name: storage.database[name].with_options(read_concern=ReadConcern("local")) for name in COLLECTIONS}
    held = {name: await held.find({}).to_list(None) for name, held in now.items() if name not in ASIDE}
    return {**held, "log": await storage.log.head()}


@asynccontextmanager
async def refused(world: World, kind: type[SwitchboardError], message: str, **data: object) -> AsyncIterator[None]:
    """The block is refused in these words, with this data beside the code, and has changed nothing.

    The data may have a `holder` as well: test_holders.py asserts it.
    """
    before = await everything(world)
    with pytest.raises(SwitchboardError) as caught:
        yield
    told = {"holder": None, **stored(caught.value.data)}
    assert (type(caught.value), caught.value.message, told) == (kind, message, {"holder": told["holder"], **data})
    assert await everything(world) == before


def stored(data: object) -> Any:
    """The data of a refusal, with ids as they are stored."""
    match data:
        case EntityId(id=one):
            return one
        case dict():
            return {key: stored(value) for key, value in data.items()}
        case list():
            return [stored(value) for value in data]
    return data


def scoped(world: World, *scopes: str) -> Context:
    """What an app does that holds these scopes only."""
    return replace(world.context, caller=Caller(actor=APP, scopes=frozenset(scopes)))


def values(**given: object) -> list[FieldAssignment]:
    """Values for custom fields, as a client sends them."""
    return [FieldAssignment(key, value) for key, value in given.items()]


def kinds(facts: Sequence[AnyFact]) -> list[str]:
    return [tag_of(type(fact)) for fact in facts]
