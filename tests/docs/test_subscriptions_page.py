"""The messages, orders of events, close codes and limits of the page on subscriptions are those of a server."""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import Frame, Opcode

from resolvers import departments, room_routing, rooms, timers
from resolvers.context import Services
from resolvers.events import MAX_SCANNED_FACTS
from resolvers.live.counts import INTERVAL_SECONDS
from resolvers.live.list_view import MAX_MISSED_FACTS
from resolvers.live_views import MAX_BYTES, MAX_VIEWS
from resolvers.timer_expiry import TimerExpiry
from server.graphql.endpoint import CONNECTION_INIT_SECONDS
from server.settings import Settings
from server.transport.websocket_protocol import MAX_FRAGMENTS
from storage.mongo.cursors import event_cursor
from storage.records import RoutingMethod
from storage.room_views import MAX_GROUPS
from storage.timings import DEFAULT_TIMINGS
from tests.conftest import ADMIN_TOKEN, served
from tests.faults.clients import Client
from tests.resolvers.world import World
from tests.server.test_shutdown import start_shutdown, stoppable
from tests.server.websocket_client import PROTOCOL, close_of, connected, receive, send
from tests.storage.support import until

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "subscriptions.md").read_text(encoding="utf-8")
ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}


def section(heading: str) -> str:
    return PAGE.partition(f"\n{heading}\n")[2].partition("\n##")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of a table without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


# ---------------------------------------------------------------- the walk-through


class Walk:
    """The messages of the page.

    Before the comparison, the sequences, cursors and ids of this run are replaced by those of the page.
    """

    def __init__(self) -> None:
        blocks = re.findall(r"```\n(.*?)```", section("### A walk-through"), re.DOTALL)
        self.blocks = [block.strip().splitlines() for block in blocks]
        (self.first,) = {int(one) for one in re.findall(r'"sequence":(\d+),"cursor"', PAGE)[:1]}
        (self.room,) = set(re.findall(r"room_\w{26}", "".join(blocks)))
        self.token = ""
        self.room_here = ""
        self.offset: int | None = None

    async def play(self, socket: ClientConnection, block: int) -> None:
        """Send the messages of the block, and assert that its answers come."""
        for line in self.blocks[block]:
            direction, _, text = line.partition(" ")
            if direction == "→":
                await socket.send(re.sub(r"sb_app_\w+…", self.token, text))
            elif text.startswith("close "):
                code, reason = await close_of(socket)
                assert f"close {code} {reason}" == text
            else:
                assert self.as_on_page(await receive(socket)) == json.loads(text)

    def as_on_page(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.as_on_page(one) for one in value]
        if isinstance(value, str):
            return value.replace(self.room_here, self.room) if self.room_here else value
        if not isinstance(value, dict):
            return value
        shown = {key: self.as_on_page(one) for key, one in value.items()}
        if isinstance(sequence := value.get("sequence"), int):
            if self.offset is None:
                self.offset = sequence - self.first
            shown["sequence"] = sequence - self.offset
            if "cursor" in value:
                assert value["cursor"] == event_cursor(sequence)
                shown["cursor"] = event_cursor(shown["sequence"])
        return shown


async def test_walk_through_shows_the_messages_that_a_server_sends(services: Services, url: str) -> None:
    walk = Walk()
    assert len(walk.blocks) == 6

    async with Client([url]) as client:

        async def is_connected() -> bool:
            consumers = (await client.send("{ consumers { connected } }", bearer=walk.token))["consumers"]
            return any(one["connected"] for one in consumers)

        async def is_disconnected() -> bool:
            return not await is_connected()

        scopes = ["rooms:read", "events:read", "users:read"]
        created = await client.mutate("createApp", "app { id } token", name="router", scopes=scopes)
        walk.token = created["token"]
        await client.mutate("defineCustomField", "definition { key }", target="ROOM", key="caseId", type="TEXT")
        await client.visitor("v")
        async with connect(url.replace("http", "ws", 1), subprotocols=[PROTOCOL]) as socket:
            await walk.play(socket, 0)
            await until(is_connected)
            walk.room_here = (await client.start("v", customFields=[{"key": "caseId", "value": "C-7"}]))["id"]
            await walk.play(socket, 1)
            assert walk.offset is not None
            cursor = event_cursor(walk.first + walk.offset)
            acked = await client.mutate(
                "ackEvents", "consumer { lag }", consumer="router", cursor=cursor, bearer=walk.token
            )
            assert f'(`ackEvents` returns `"lag": {acked["consumer"]["lag"]}`)' in " ".join(PAGE.split())
            await walk.play(socket, 2)
            await until(is_disconnected)
            await client.mutate("closeRoom", "room { id }", roomId=walk.room_here)
            await walk.play(socket, 3)
            await walk.play(socket, 4)
            await client.mutate("revokeApp", "app { id }", appId=created["app"]["id"])
            await walk.play(socket, 5)


# ---------------------------------------------------------------- the order of events

Step = Callable[[World], Awaitable[object]]


async def taken_from(world: World, step: Callable[[World, str, str], Awaitable[object]]) -> None:
    """Make a step with a room that an agent serves, and another agent."""
    anna, other = await world.agent("anna", max_rooms=1), await world.agent("other")
    room = await world.assigned(anna)
    await step(world, room.id, other.id)


async def started_and_routed(world: World) -> None:
    await world.agent("anna")
    await world.start()


async def unassigned_and_routed(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.start()
    assert room.served_by_id == anna.id
    await world.agent("other")
    await rooms.unassign_agent(world.context, room_id=room.id)


async def taken(world: World) -> None:
    anna, room = await world.agent("anna"), await world.waiting()
    await rooms.take_room(world.logged_in(anna, "admin"), room_id=room.id)


async def transferred_to(world: World, room_id: str, routing: RoutingMethod, agent_id: str | None = None) -> None:
    department = await world.department("Other", routing)
    if agent_id is not None:
        await departments.set_department_agents(world.context, department_id=department.id, add=[agent_id])
    await rooms.transfer_room(world.context, room_id=room_id, to_department_id=department.id)


async def started_external(world: World) -> None:
    await world.start(await world.department("External", RoutingMethod.EXTERNAL))


async def unassigned_external(world: World) -> None:
    anna = await world.agent("anna")
    room = await world.start(await world.department("External", RoutingMethod.EXTERNAL))
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=anna.id)
    await rooms.unassign_agent(world.context, room_id=room.id)


async def declined(world: World, *, agent: bool) -> None:
    external = await world.department("External", RoutingMethod.EXTERNAL)
    if agent:
        await world.agent("anna", departments=[external])
    room = await world.start(external)
    await room_routing.decline_routing(world.context, room_id=room.id)


async def timer_ended(world: World) -> None:
    room = await world.start()
    timer = await timers.set_timer(world.context, room_id=room.id, name="t", seconds=60)
    database = world.services.storage.database
    await database["timers"].update_one({"_id": timer.id}, {"$set": {"setAt": timer.set_at - timedelta(seconds=60)}})
    await TimerExpiry(world.services).elapse_room(room.id)


#: By the row of the page: steps, each with the events of its last change.
CHANGES: dict[str, list[tuple[Step, list[str]]]] = {
    "start": [
        (lambda w: w.start(), ["RoomStarted", "RoomQueued"]),
        (started_and_routed, ["RoomStarted", "AgentAssigned ROUTED"]),
        (started_external, ["RoomStarted", "RoomQueued", "RoutingRequested"]),
    ],
    "decline, time-out of a decision": [
        (lambda w: declined(w, agent=True), ["RoutingDeclined", "AgentAssigned ROUTED"]),
        (lambda w: declined(w, agent=False), ["RoutingDeclined", "RoomQueued"]),
    ],
    "assign, take": [
        (lambda w: taken_from(w, lambda w, room, other: assign_waiting(w, other)), ["AgentAssigned ASSIGNED"]),
        (taken, ["AgentAssigned TAKEN"]),
    ],
    "unassign": [
        (
            lambda w: taken_from(w, lambda w, room, other: rooms.unassign_agent(w.context, room_id=room)),
            ["AgentUnassigned UNASSIGNED", "RoomQueued"],
        ),
        (unassigned_and_routed, ["AgentUnassigned UNASSIGNED", "AgentAssigned ROUTED"]),
        (unassigned_external, ["AgentUnassigned UNASSIGNED", "RoomQueued", "RoutingRequested"]),
    ],
    "transfer to an agent": [
        (
            lambda w: taken_from(
                w, lambda w, room, other: rooms.transfer_room(w.context, room_id=room, to_agent_id=other)
            ),
            ["AgentUnassigned TRANSFERRED", "RoomTransferred", "AgentAssigned TRANSFERRED"],
        ),
    ],
    "transfer to a department": [
        (
            lambda w: taken_from(w, lambda w, room, other: transferred_to(w, room, RoutingMethod.MANUAL)),
            ["AgentUnassigned TRANSFERRED", "RoomTransferred", "RoomQueued"],
        ),
        (
            lambda w: taken_from(w, lambda w, room, other: transferred_to(w, room, RoutingMethod.EXTERNAL)),
            ["AgentUnassigned TRANSFERRED", "RoomTransferred", "RoomQueued", "RoutingRequested"],
        ),
        (
            lambda w: taken_from(w, lambda w, room, other: transferred_to(w, room, RoutingMethod.ROUND_ROBIN, other)),
            ["AgentUnassigned TRANSFERRED", "RoomTransferred", "AgentAssigned ROUTED"],
        ),
    ],
    "close": [
        (
            lambda w: taken_from(w, lambda w, room, other: rooms.close_room(w.context, room_id=room)),
            ["AgentUnassigned CLOSED", "RoomClosed"],
        ),
        (lambda w: w.closed(), ["RoomClosed"]),
    ],
    "end of a timer": [(timer_ended, ["TimerElapsed"])],
}


async def assign_waiting(world: World, agent_id: str) -> None:
    room = await world.waiting()
    await rooms.assign_agent(world.context, room_id=room.id, agent_id=agent_id)


def events_of_row(cell: str) -> list[str]:
    """The events that a row names, each with its cause, in their order."""
    return [
        " ".join(filter(None, (event, cause)))
        for event, causes in re.findall(r"`([A-Z]\w+)`(?: \(((?:`[A-Z_]+`(?:, )?)+)\))?", cell)
        for cause in (re.findall(r"`(\w+)`", causes) or [""])
    ]


def test_every_row_of_the_order_of_events_is_tested() -> None:
    table = PAGE.partition("\n| change | events of the room |")[2].partition("\n\n")[0]
    named = {change: events_of_row(cell) for change, cell in rows(f"|\n{table}")}

    assert named.keys() == CHANGES.keys()
    for change, cases in CHANGES.items():
        assert {event for _, events in cases for event in events} == set(named[change])
        for _, events in cases:
            places = [named[change].index(event) for event in events]
            assert places == sorted(places)


@pytest.mark.parametrize(
    ("change", "case"), [(change, case) for change, cases in CHANGES.items() for case in range(len(cases))]
)
async def test_events_of_a_change_have_the_order_of_the_page(services: Services, change: str, case: int) -> None:
    step, events = CHANGES[change][case]
    world = World(services)
    await world.visitor()

    await step(world)

    lines = [
        " ".join(filter(None, (type(fact).__name__, getattr(fact, "cause", None))))
        for fact in await world.facts()
        if hasattr(fact, "room")
    ]
    assert lines[-len(events) :] == events


# ---------------------------------------------------------------- close codes and limits


async def exceed_frames(socket: ClientConnection) -> None:
    await send(socket, type="connection_init")
    socket.transport.write(Frame(Opcode.PONG, b"").serialize(mask=True) * 5_000)


async def send_twice(socket: ClientConnection, **message: object) -> None:
    for _ in range(2):
        await send(socket, **message)


async def subscribe_twice(socket: ClientConnection) -> None:
    await send(socket, type="connection_init", payload=ADMIN)
    query = {"query": "subscription { events { id } }"}
    await send_twice(socket, id="1", type="subscribe", payload=query)


CLOSING: dict[int, Callable[[ClientConnection], Awaitable[object]]] = {
    1008: exceed_frames,
    1009: lambda socket: send(socket, type="ping", payload={"a": "x" * 2_000}),
    4400: lambda socket: socket.send("no JSON"),
    4401: lambda socket: send(socket, id="1", type="subscribe", payload={"query": "{ __typename }"}),
    4403: lambda socket: send(socket, type="connection_init", payload={"authorization": "Bearer nothing"}),
    4409: subscribe_twice,
    4429: lambda socket: send_twice(socket, type="connection_init"),
}


async def test_websockets_close_with_the_codes_of_the_page(services: Services) -> None:
    settings = Settings(max_message_kb=1, max_connections_per_caller=1)
    seen = set()
    async with served(services, settings) as url:
        address = url.replace("http", "ws", 1)
        for code, provoke in CLOSING.items():
            async with connect(address, subprotocols=[PROTOCOL]) as socket:
                await provoke(socket)
                assert (await close_of(socket))[0] == code
                seen.add(code)
        async with connect(address) as socket:
            seen.add((await close_of(socket))[0])
        async with connected(url, ADMIN), connect(address, subprotocols=[PROTOCOL]) as socket:
            await send(socket, type="connection_init", payload=ADMIN)
            seen.add((await close_of(socket))[0])
    async with (
        served(services, connection_init_seconds=0.05) as url,
        connect(url.replace("http", "ws", 1), subprotocols=[PROTOCOL]) as socket,
    ):
        seen.add((await close_of(socket))[0])
    async with stoppable(services) as (url, server), connected(url, ADMIN) as socket:
        await start_shutdown(server)
        seen.add((await close_of(socket))[0])

    assert seen == {int(code) for code, *_ in rows(section("### When the socket closes"))}


def test_limits_are_those_of_the_code() -> None:
    consumers = (ROOT / "docs" / "reference" / "consumers.md").read_text(encoding="utf-8")
    text = " ".join((PAGE + consumers).split())

    assert (DEFAULT_TIMINGS.consumer_lease, INTERVAL_SECONDS, Settings().event_retention_days) == (5, 0.5, 7)
    for limit in (
        f"within {CONNECTION_INIT_SECONDS:.0f} s",
        "has a lease of five seconds",
        "at most twice a second",
        f"If these are more than {MAX_MISSED_FACTS:,}",
        f"`QUERY_TOO_COMPLEX` for more than {MAX_GROUPS:,} groups",
        f"If more than {MAX_SCANNED_FACTS:,} events have to be checked",
        f"up to {MAX_VIEWS:,} different lists and counts, in about {MAX_BYTES // 1024**2} MiB",
        f"one message in more than {MAX_FRAGMENTS:,} frames",
        "seven by default",
    ):
        assert limit in text


def test_page_makes_nine_promises() -> None:
    assert re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE) == [str(number) for number in range(1, 10)]
