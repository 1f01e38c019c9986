"""Compares every agent's openRoomCount with the number of its ASSIGNED rooms, for the command verify-counts.

One transaction writes both, so they agree unless there is a defect.
"""

import msgspec

from resolvers.context import Context
from storage import rooms, users
from storage.facts import AgentUpdated
from storage.records import Record, User
from storage.transactions.transaction import Transaction


class RoomCountMismatch(Record, frozen=True, kw_only=False):
    """An agent with a wrong openRoomCount, and the expected count."""

    agent: User
    expected: int


async def find_mismatches(context: Context) -> list[RoomCountMismatch]:
    """The agents with wrong counts, by id. Correct while servers are running."""
    return await _examine(context, repairing=False)


async def repair_mismatches(context: Context) -> list[RoomCountMismatch]:
    """Correct the wrong counts. Records an AgentUpdated for each agent, and returns the agents as they were."""
    return await _examine(context, repairing=True)


async def _examine(context: Context, *, repairing: bool) -> list[RoomCountMismatch]:
    # The two reads are not one snapshot, so agents that got a room in between differ. Each suspect is read again.
    suspects = await users.find_wrong_room_counts(context.reader, await rooms.count_assigned(context.reader))
    found: list[RoomCountMismatch] = []
    for agent_id in sorted(suspects):

        async def attempt(tx: Transaction, agent_id: str = agent_id) -> RoomCountMismatch | None:
            await tx.write_session()  # all reads after this are of one snapshot
            user = await users.find(tx, agent_id)
            if user is None or user.agent is None:
                return None
            expected = (await rooms.count_assigned(tx, agent_id)).get(agent_id, 0)
            if user.agent.open_room_count == expected:
                return None
            if repairing:
                profile = msgspec.structs.replace(user.agent, open_room_count=expected)
                after = msgspec.structs.replace(user, agent=profile, updated_at=tx.now)
                await users.update(tx, user, after, AgentUpdated)
            return RoomCountMismatch(user, expected)

        mismatch, _ = await context.storage.transactions.run(attempt)
        if mismatch is not None:
            found.append(mismatch)
    return found
