"""The log over real websockets: the events of a subscriber, its database reads, and consumers."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from pymongo.monitoring import CommandStartedEvent
from typing_extensions import override
from websockets.asyncio.client import ClientConnection

from resolvers.services import create_services
from storage.log.log import Log
from storage.mongo.connection import Database
from storage.mongo.cursors import event_cursor
from storage.runtime import Storage
from tests.commands import StartedCommands
from tests.conftest import ADMIN_TOKEN, served
from tests.databases import emptied
from tests.faults.clients import Client
from tests.server.websocket_client import connected, receive, send
from tests.storage.support import until

ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}
#: Collections that delivering events and background tasks may read. The caller of a token (tokens, apps) is loaded
#: again when the watch of the tokens opens, which may be after the first events.
OF_THE_LOG = {"log", "outbox", "processes", "leases", "rules", "signals", "tokens", "apps", "versions", "consumers"}


class Reads(StartedCommands):
    """Counts reads of the database by collection."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    @override
    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name in ("find", "aggregate", "count", "distinct"):
            self.counts[str(event.command[event.command_name])] += 1

    @property
    def of_state(self) -> dict[str, int]:
        return {name: count for name, count in self.counts.items() if name not in OF_THE_LOG}


@pytest.fixture
def name(mongodb_uri: str) -> str:
    return emptied(mongodb_uri, "test-streams")


@pytest.fixture
async def client(mongodb_uri: str, name: str) -> AsyncIterator[Client]:
    """A client of the first of two servers. `elsewhere` is the address of the second."""
    from server.app import start_services
    from server.settings import Settings

    settings = Settings(database=name, admin_token=ADMIN_TOKEN)
    async with (
        start_services(mongodb_uri, settings) as (services, _),
        served(services) as url,
        Client([url]) as client,
    ):
        await client.visitor("v")
        yield client


@pytest.fixture
async def elsewhere(mongodb_uri: str, name: str, client: Client, reads: Reads) -> AsyncIterator[str]:
    """A second server without background tasks, so that all its reads are for clients."""
    async with Storage.open(mongodb_uri, name, listeners=[reads]) as storage, served(create_services(storage)) as url:
        yield url


@pytest.fixture
def reads() -> Reads:
    return Reads()


async def subscribed(stack: AsyncExitStack, url: str, query: str) -> ClientConnection:
    socket = await stack.enter_async_context(connected(url, ADMIN))
    await send(socket, id="1", type="subscribe", payload={"query": f"subscription {{ {query} }}"})
    return socket


async def events(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    """Receive this number of events, each without errors."""
    found = []
    for _ in range(count):
        message = await receive(socket)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        (event,) = message["payload"]["data"].values()
        found.append(event)
    return found


async def say(client: Client, room: Any, text: str) -> None:
    given: Any = {"roomId": room["id"], "text": text, "as": {"visitorToken": "v"}}
    await client.mutate("sendMessage", "message { id }", **given)


async def test_delivery_with_a_selection_inside_room_and_agents_costs_no_database_read(
    client: Client, elsewhere: str, reads: Reads
) -> None:
    agent_id = await client.agent("ada", max_rooms=5)
    head = (await client.send("{ eventCursor }"))["eventCursor"]
    selection = """sequence type room { roomId status revision subject tags startedAt
          visitor { visitorId token name } department { departmentId name }
          servedBy { agentId openRoomCount user { username } } lastServedBy { user { username } } }"""
    query = f"""events(after: "{head}", types: [ROOM_STARTED, AGENT_ASSIGNED, AGENT_UNASSIGNED, ROOM_CLOSED]) {{
        ... on RoomStarted {{ {selection} }} ... on RoomClosed {{ {selection} }}
        ... on AgentAssigned {{ {selection} agent {{ agentId status user {{ username presence }} }} }}
        ... on AgentUnassigned {{ {selection} agent {{ agentId maxRooms user {{ username }} }} }} }}"""
    async with AsyncExitStack() as stack:
        socket = await subscribed(stack, elsewhere, query)
        room = await client.start("v")
        await events(socket, 2)
        reads.counts.clear()

        await client.mutate("closeRoom", "room { id }", roomId=room["id"])
        unassigned, closed = await events(socket, 2)

    assert unassigned["agent"] == {"agentId": agent_id, "maxRooms": 5, "user": {"username": "ada"}}
    assert closed["room"]["lastServedBy"] == {"user": {"username": "ada"}}
    assert closed["room"]["visitor"]["token"] == "v"
    assert reads.of_state == {}


async def test_current_entity_is_read_at_delivery(client: Client, elsewhere: str, reads: Reads) -> None:
    room = await client.start("v")
    reads.counts.clear()
    async with AsyncExitStack() as stack:
        socket = await subscribed(
            stack,
            elsewhere,
            f'messageSent(after: "{event_cursor(0)}") {{ room {{ current {{ messages {{ nodes {{ text }} }} }} }} }}',
        )
        for text in ("one", "two"):
            await say(client, room, text)

        first, second = await events(socket, 2)

    assert [node["text"] for node in second["room"]["current"]["messages"]["nodes"]] == ["one", "two"]
    assert first["room"]["current"]["messages"]["nodes"][0] == {"text": "one"}
    assert reads.of_state["rooms"] == 4, "for each event, the room, and one aggregation over rooms and messages"


async def test_every_subscription_resumes_after_a_cursor(client: Client, elsewhere: str) -> None:
    await client.agent("ada", max_rooms=5)
    cursor = (await client.send("{ eventCursor }"))["eventCursor"]
    room = await client.start("v")
    await say(client, room, "hi")
    await client.mutate("closeRoom", "room { id }", roomId=room["id"])
    fields = ("roomStarted", "agentAssigned", "messageSent", "agentUnassigned", "roomClosed")

    async with AsyncExitStack() as stack:
        sockets = [await subscribed(stack, elsewhere, f'{one}(after: "{cursor}") {{ sequence }}') for one in fields]
        got = [(await events(socket, 1))[0]["sequence"] for socket in sockets]

    first = got[0]
    assert got == [first, first + 1, first + 2, first + 3, first + 4]


async def test_page_and_subscription_return_the_same_events(client: Client, elsewhere: str) -> None:
    for _ in range(5):
        await client.start("v")
    page = (await client.send("{ events(first: 100) { nodes { sequence id type cursor } } }"))["events"]["nodes"]

    async with AsyncExitStack() as stack:
        socket = await subscribed(stack, elsewhere, f'events(after: "{event_cursor(0)}") {{ sequence id type cursor }}')
        assert await events(socket, len(page)) == page


# ---------------------------------------------------------------- consumers


async def acknowledge(client: Client, cursor: str) -> Any:
    payload = await client.mutate("ackEvents", "consumer { ackedCursor lag connected }", consumer="c", cursor=cursor)
    return payload["consumer"]


async def test_consumer_resumes_at_another_server_after_its_acknowledged_cursor(client: Client, elsewhere: str) -> None:
    async with AsyncExitStack() as stack:
        socket = await subscribed(stack, elsewhere, 'events(consumer: "c", types: [ROOM_STARTED]) { sequence cursor }')
        await until_leased(client)
        await client.start("v")
        await client.start("v")
        first, second = await events(socket, 2)

        assert await acknowledge(client, first["cursor"]) == {
            "ackedCursor": first["cursor"],
            "lag": 1,
            "connected": True,
        }

    await until_released(client)
    async with AsyncExitStack() as stack:
        socket = await subscribed(
            stack, client.urls[0], 'events(consumer: "c", types: [ROOM_STARTED]) { sequence cursor }'
        )
        assert await events(socket, 1) == [second]


async def test_second_subscription_of_a_consumer_is_refused_as_busy(client: Client, elsewhere: str) -> None:
    query = 'events(consumer: "c") { sequence }'
    async with AsyncExitStack() as stack:
        first = await subscribed(stack, elsewhere, query)
        await until_leased(client)
        await client.start("v")
        await events(first, 1)
        second = await subscribed(stack, elsewhere, query)

        message = await receive(second)

        errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
        assert errors[0]["extensions"]["code"] == "CONSUMER_BUSY"


async def test_consumer_lease_ends_when_its_websocket_closes(client: Client, elsewhere: str) -> None:
    query = 'events(consumer: "c") { sequence }'
    async with AsyncExitStack() as stack:
        first = await subscribed(stack, elsewhere, query)
        await until_leased(client)
        await client.start("v")
        await events(first, 1)

        first.transport.abort()

        await until_released(client)
        second = await subscribed(stack, elsewhere, query)
        assert len(await events(second, 1)) == 1


async def is_connected(client: Client, wanted: bool) -> bool:
    found: bool = (await client.send("{ consumers { connected } }"))["consumers"] == [{"connected": wanted}]
    return found


async def until_leased(client: Client) -> None:
    await until(partial(is_connected, client, True))


async def until_released(client: Client) -> None:
    await until(partial(is_connected, client, False))


async def test_expired_consumer_gets_the_oldest_cursor_and_can_restart(
    client: Client, elsewhere: str, mongodb_uri: str, name: str
) -> None:
    query = 'events(consumer: "c") { sequence }'
    async with AsyncExitStack() as stack:
        socket = await subscribed(stack, elsewhere, query)
        await until_leased(client)
        await client.start("v")
        await events(socket, 1)
    await until_released(client)
    async with Database(mongodb_uri, name) as database:
        await until(partial(is_trimmed, Log(database)))
        oldest = event_cursor(await Log(database).oldest() - 1)

    async with AsyncExitStack() as stack:
        message = await receive(await subscribed(stack, elsewhere, query))
        errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
        assert errors[0]["extensions"] == {"code": "CURSOR_EXPIRED", "oldestCursor": oldest}

        await client.mutate("removeConsumer", "removedName", consumer="c")
        socket = await subscribed(stack, elsewhere, f'events(consumer: "c", after: "{oldest}") {{ sequence }}')
        assert len(await events(socket, 1)) == 1


async def is_trimmed(log: Log) -> bool:
    return await log.trim(log.now() + timedelta(seconds=1)) > 0
