"""A reservation and the room that it becomes are never counted both."""

import pytest

from storage.facts import AgentAssigned
from storage.transactions.transaction import Transaction
from tests.resolvers.world import World


async def test_a_reservation_ends_when_the_cache_has_the_assigned_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other mutations run between the commit and the end of this one, and would find the agent with a room too many."""
    anna = await world.agent("anna")
    cache, found = world.services.agent_cache, list[tuple[int, int]]()
    close = Transaction.close

    async def recorded(tx: Transaction) -> None:
        # An attempt that conflicts, as with the second process of other tests, keeps its reservation to its end.
        if tx._is_acknowledged and any(isinstance(fact, AgentAssigned) for fact in tx.facts):
            agent = cache.agent(anna.id)
            assert agent is not None
            assert agent.agent is not None
            found.append((agent.agent.open_room_count, cache.reservations(anna.id)))
        await close(tx)

    monkeypatch.setattr(Transaction, "close", recorded)

    room = await world.start()

    assert await world.served_by(room) == "anna"
    assert found == [(1, 0)]
