"""Whether every agent's openRoomCount is the number of its ASSIGNED rooms; for whoever runs the deployment.

The two are written in the same transaction, so that they agree whatever is killed. This is how one knows.
"""

import msgspec

from resolvers.context import Context
from storage import rooms, users
from storage.facts import AgentUpdated
from storage.records import Record, User
from storage.transactions.transaction import Transaction


class RoomCountMismatch(Record, frozen=True, kw_only=False):
    """An agent with a wrong count, and the right one."""

    agent: User
    expected: int


async def find_mismatches(context: Context) -> list[RoomCountMismatch]:
    """The agents whose counts are wrong, in the order in which they came to be. Right beside servers that serve."""
    return await _examine(context, repairing=False)


async def repair_mismatches(context: Context) -> list[RoomCountMismatch]:
    """The same, corrected: an AgentUpdated tells of each."""
    return await _examine(context, repairing=True)


async def _examine(context: Context, *, repairing: bool) -> list[RoomCountMismatch]:
    # What was read at two moments differs for whoever was given a room between them: these are looked at again, alone.
    suspects = await users.find_wrong_room_counts(context.reader, await rooms.count_assigned(context.reader))
    found: list[RoomCountMismatch] = []
    for agent_id in sorted(suspects):

        async def attempt(tx: Transaction, agent_id: str = agent_id) -> RoomCountMismatch | None:
            await tx.write_session()  # from here on, everything is read as it is at one moment
            user = await users.find(tx, agent_id)
            if user is None or user.agent is None:
                return None
            right = (await rooms.count_assigned(tx, agent_id)).get(agent_id, 0)
            if user.agent.open_room_count == right:
                return None
            if repairing:
                profile = msgspec.structs.replace(user.agent, open_room_count=right)
                after = msgspec.structs.replace(user, agent=profile, updated_at=tx.now)
                await users.update(tx, user, after, AgentUpdated)
            return RoomCountMismatch(user, right)

        drift, _ = await context.storage.transactions.run(attempt)
        if drift is not None:
            found.append(drift)
    return found
