"""A process prefers its share of the agents only after an agent changed that it had chosen."""

from typing import Any

import pytest

from resolvers.operations import MutationContext
from resolvers.routing import assignment
from resolvers.routing.shares import ALL, Share
from tests.resolvers.world import World


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The attempts that choose an agent, by their numbers."""
    numbers: list[int] = []
    reserve = assignment._reserve_agent

    async def counting(change: MutationContext, *arguments: Any, **options: Any) -> Any:
        numbers.append(change.tx.attempt)
        return await reserve(change, *arguments, **options)

    monkeypatch.setattr(assignment, "_reserve_agent", counting)
    return numbers


async def increase_version(world: World, collection: str, **query: str) -> None:
    """Change a document as another process does whose facts have not arrived yet."""
    changed = await world.context.reader.collection(collection).update_one(query, {"$inc": {"version": 1}})
    assert changed.modified_count == 1


async def test_second_attempt_with_an_unchanged_agent_is_no_contention(world: World, attempts: list[int]) -> None:
    await world.agent("anna")
    await world.start()
    attempts.clear()
    await increase_version(world, "visitors", token="v")

    room = await world.start()

    assert await world.served_by(room) == "anna"
    assert attempts == [1, 2]
    assert world.services.agent_cache.contention.share(1, 2) == ALL


async def test_second_attempt_with_a_changed_agent_is_contention(world: World, attempts: list[int]) -> None:
    anna = await world.agent("anna")
    await increase_version(world, "users", _id=anna.id)

    room = await world.start()

    assert await world.served_by(room) == "anna"
    assert attempts == [1, 2]
    assert world.services.agent_cache.contention.share(1, 2) == Share(1, 2)
