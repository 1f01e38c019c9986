"""The consumer of a webhook begins once for each generation, and never below the lease of a connection."""

from collections.abc import AsyncIterator

import pytest

from storage import consumers
from storage.consumer_records import ConsumerFilter
from storage.mongo.reader import Reader
from storage.records import Actor, ActorType
from tests.databases import emptied
from tests.storage.support import opened

OWNER = Actor(type=ActorType.APP, id="owner", name="crm")
NAME = "webhook:1"


@pytest.fixture
async def reader(mongodb_uri: str) -> AsyncIterator[Reader]:
    async with opened(mongodb_uri, emptied(mongodb_uri, "test-webhook-consumers"), processes=1) as (storage,):
        yield storage.reader


async def begin(reader: Reader, generation: str, after: int) -> bool:
    return await consumers.begin(reader, OWNER, NAME, generation=generation, after=after)


async def position(reader: Reader) -> tuple[str, int]:
    found = await consumers.find(reader, "owner", NAME)
    assert found is not None
    return found.generation, found.acked


async def test_a_generation_begins_once(reader: Reader) -> None:
    assert await begin(reader, "a", 5)
    await consumers.acknowledge_now(reader, "owner", NAME, generation="a", sequence=7)

    assert await begin(reader, "a", 5)
    assert await position(reader) == ("a", 7)
    assert await begin(reader, "b", 2)
    assert await position(reader) == ("b", 2)


async def test_a_leased_consumer_does_not_begin_as_another_generation(reader: Reader) -> None:
    await begin(reader, "a", 5)
    leased = await consumers.acquire_lease(
        reader, OWNER, NAME, connection_id="c", seconds=60, subscription=ConsumerFilter()
    )
    assert leased is not None
    assert await consumers.list_leased(reader, [("owner", NAME), ("owner", "other")]) == {("owner", NAME)}

    assert not await begin(reader, "b", 2)
    assert await begin(reader, "a", 2)
    assert await position(reader) == ("a", 5)
    assert await consumers.release_lease(reader, leased, connection_id="c")
    assert await consumers.list_leased(reader, [("owner", NAME)]) == set()
    assert await begin(reader, "b", 2)


async def test_an_acknowledgement_of_an_older_generation_changes_nothing(reader: Reader) -> None:
    await begin(reader, "b", 2)

    assert await consumers.acknowledge_now(reader, "owner", NAME, generation="a", sequence=9) is None
    before = await consumers.acknowledge_now(reader, "owner", NAME, generation="b", sequence=4)
    await consumers.acknowledge_now(reader, "owner", NAME, generation="b", sequence=3)

    assert before is not None
    assert before.acked == 2
    assert await position(reader) == ("b", 4)
