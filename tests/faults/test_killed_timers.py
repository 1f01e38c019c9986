"""Servers are killed while they record timers: each timer elapses once, in the order of its room."""

import asyncio
from typing import Any

from tests.faults.clients import Client
from tests.processes import ServerProcess
from tests.storage.support import until

ROOMS = 15
TIMERS = [str(number) for number in range(8)]
ELAPSED = """query ($room: ID!) { room(by: { id: $room }) { revision events(first: 200) { nodes {
  type ... on RoomEvent { roomRevision } ... on TimerElapsed { name } } } } }"""


async def test_timers_elapse_once_although_servers_are_killed(mongodb_uri: str, database_name: str) -> None:
    with (
        ServerProcess(mongodb_uri, database_name) as one,
        ServerProcess(mongodb_uri, database_name) as other,
        ServerProcess(mongodb_uri, database_name) as last,
    ):
        async with Client([last.url]) as client:
            await client.visitor("v")
            rooms = [(await client.start("v"))["id"] for _ in range(ROOMS)]

            async def set_timers(room: str) -> None:
                for name in TIMERS:
                    values: dict[str, Any] = {"roomId": room, "name": name, "seconds": 3}
                    await client.mutate("setTimer", "timer { name }", **values)

            async def elapsed() -> dict[str, list[str]]:
                """The names of the timers that have elapsed, in order, by room."""
                found = {}
                for room in rooms:
                    data = (await client.send(ELAPSED, room=room))["room"]
                    nodes = [node for node in data["events"]["nodes"] if node["type"] == "TIMER_ELAPSED"]
                    assert {node["roomRevision"] for node in nodes} <= {data["revision"]}
                    found[room] = [node["name"] for node in nodes]
                return found

            async def any_elapsed() -> bool:
                return any((await elapsed()).values())

            async def all_elapsed() -> bool:
                return all(len(names) >= len(TIMERS) for names in (await elapsed()).values())

            await asyncio.gather(*(set_timers(room) for room in rooms))
            await until(any_elapsed)
            one.kill()
            other.kill()
            await until(all_elapsed)

            assert await elapsed() == dict.fromkeys(rooms, TIMERS)
            for room in rooms:
                assert (await client.send("query ($id: ID!) { timers(roomId: $id) { name } }", id=room))["timers"] == []
