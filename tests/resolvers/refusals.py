"""Assertions on refusals: the error, and that nothing stored has changed."""

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

#: Collections that processes change in the background, and the log, which is compared by its head.
IGNORED_COLLECTIONS = frozenset({"leases", "processes", "removals", "rules", "signals", "log"})


async def stored_state(world: World) -> dict[str, Any]:
    """The documents of all other collections and the head of the log, after the cleanup of earlier mutations."""
    storage = world.services.storage
    for process in world.processes:
        await process.storage.appender.cleanup.wait()
    first, *others = (name for name in COLLECTIONS if name not in IGNORED_COLLECTIONS)
    # One command: with one for each collection, the tests of refusals spend most of their time here.
    pipeline = [*labelled(first), *({"$unionWith": {"coll": name, "pipeline": labelled(name)}} for name in others)]
    local = storage.database[first].with_options(read_concern=ReadConcern("local"))
    documents: dict[str, Any] = {name: [] for name in (first, *others)}
    async for row in local.aggregate(pipeline):
        documents[row["collection"]].append(row["document"])
    return {**documents, "log": await storage.log.head()}


def labelled(collection: str) -> list[dict[str, Any]]:
    """A pipeline that returns every document of the collection with its name."""
    return [{"$project": {"_id": 0, "collection": {"$literal": collection}, "document": "$$ROOT"}}]


@asynccontextmanager
async def refused(world: World, kind: type[SwitchboardError], message: str, **data: object) -> AsyncIterator[None]:
    """Assert that the block raises this error with this message and data, and changes nothing.

    The data may also have a `holder`, which test_holders.py asserts.
    """
    before = await stored_state(world)
    with pytest.raises(SwitchboardError) as caught:
        yield
    raised = {"holder": None, **stored(caught.value.data)}
    assert (type(caught.value), caught.value.message, raised) == (kind, message, {"holder": raised["holder"], **data})
    assert await stored_state(world) == before


def stored(data: object) -> Any:
    """The data of an error, with ids without their prefixes."""
    match data:
        case EntityId(id=one):
            return one
        case dict():
            return {key: stored(value) for key, value in data.items()}
        case list():
            return [stored(value) for value in data]
    return data


def scoped(world: World, *scopes: str) -> Context:
    """The context of an app with these scopes only."""
    return replace(world.context, caller=Caller(actor=APP, scopes=frozenset(scopes)))


def values(**by_key: object) -> list[FieldAssignment]:
    """Values of custom fields, as the input of a mutation."""
    return [FieldAssignment(key, value) for key, value in by_key.items()]


def kinds(facts: Sequence[AnyFact]) -> list[str]:
    return [tag_of(type(fact)) for fact in facts]
