"""Subscriptions of one socket that do not lag behind the log deliver their events in log order, across subscriptions.

The API does not guarantee this order, because a subscription that waits for the database can lag. But clients that
subscribe to unassignments and assignments expect it.
"""

from typing import Any

import pytest

from resolvers import rooms
from resolvers.context import Services
from tests.conftest import ADMIN_TOKEN
from tests.resolvers.world import World
from tests.server.websocket_client import connected, receive, send

FIELDS = ("agentUnassigned", "events(types: [ROOM_TRANSFERRED])", "agentAssigned")
TRANSFERS = 10


@pytest.mark.parametrize("fields", [FIELDS, FIELDS[::-1]], ids=lambda fields: fields[0] + " first")
async def test_transfer_events_arrive_in_log_order(services: Services, url: str, fields: tuple[str, ...]) -> None:
    world = World(services)
    await world.visitor()
    agents = [await world.agent(name) for name in ("anna", "bert")]
    room = await world.start()
    there = [one.id for one in agents].index(room.served_by_id or "")

    async with connected(url, {"authorization": f"Bearer {ADMIN_TOKEN}"}) as socket:
        after = (await query(socket, "{ eventCursor }"))["eventCursor"]
        for field in fields:
            start = f'{field.rstrip(")")}{", " if "(" in field else "("}after: "{after}")'
            await send(
                socket, id=field, type="subscribe", payload={"query": f"subscription {{ {start} {{ sequence }} }}"}
            )
        received = []
        for number in range(1 + TRANSFERS):
            to = agents[(there + number + 1) % 2]
            await rooms.transfer_room(world.context, room_id=room.id, to_agent_id=to.id)
            received.append([sequence_of(await receive(socket)) for _ in fields])

    # The first transfer is excluded: some subscriptions had not begun.
    in_step = [sequence for transfer in received[1:] for sequence in transfer]
    assert in_step == sorted(in_step)


async def query(socket: Any, text: str) -> Any:
    """The data of a query or mutation."""
    await send(socket, id="query", type="subscribe", payload={"query": text})
    answer = await receive(socket)
    assert await receive(socket) == {"id": "query", "type": "complete"}
    return answer["payload"]["data"]


def sequence_of(message: Any) -> int:
    (event,) = message["payload"]["data"].values()
    return int(event["sequence"])
