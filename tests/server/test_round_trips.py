"""The number of round trips to MongoDB does not depend on the number of rows of a query.

Callers, roles and departments are cached after the first operation.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pymongo.monitoring import CommandStartedEvent
from typing_extensions import override

from resolvers import agents, apps, messages, rooms
from resolvers.custom_fields.definitions import define_custom_field
from resolvers.services import create_services
from storage import tokens
from storage.log.feed import CHUNK_SIZE
from storage.records import FieldTarget, FieldType, RoutingMethod
from storage.runtime import Storage
from tests.commands import StartedCommands
from tests.conftest import ADMIN_TOKEN, served
from tests.resolvers.refusals import values
from tests.resolvers.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Collections that background tasks read.
BACKGROUND_COLLECTIONS = frozenset({"outbox", "processes", "leases", "rules", "versions"})
#: Collections that the process reads by change streams.
WATCHED = frozenset({"log", "signals", "tokens"})
AGENTS = 130
ROOMS = 12


class RoundTrips(StartedCommands):
    """The commands that operations send, in order."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @override
    def started(self, event: CommandStartedEvent) -> None:
        name, command = event.command_name, event.command
        collection = str(command.get("collection", command.get(name)))
        if collection in WATCHED and (name == "getMore" or "$changeStream" in str(command.get("pipeline"))):
            return
        if collection == "log" and command.get("limit") == CHUNK_SIZE:  # reads of the feed
            return
        if collection not in BACKGROUND_COLLECTIONS and name not in ("hello", "ping", "endSessions"):
            self.seen.append(f"{name} {collection}")


class PopulatedServer:
    """A server with many agents, departments and rooms, whose round trips to the database are counted."""

    def __init__(self, url: str, trips: RoundTrips) -> None:
        self._client = httpx.AsyncClient(headers={"authorization": f"Bearer {ADMIN_TOKEN}"})
        self._url = url
        self._trips = trips

    async def ask(self, query: str) -> tuple[Any, list[str]]:
        """The data, and the round trips that the query took.

        On a busy machine, the timers of the process are late. It then reads the token again, which may have ended.
        """
        body, trips = await self._ask(query)
        for _ in range(5):
            if "find tokens" in trips:
                body, trips = await self._ask(query)
        return body["data"], trips

    async def _ask(self, query: str) -> tuple[Any, list[str]]:
        self._trips.seen.clear()
        response = await self._client.post(self._url, json={"query": query})
        body = response.json()
        assert "errors" not in body, body
        return body, [*self._trips.seen]

    async def close(self) -> None:
        await self._client.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(mongodb_uri: str) -> AsyncIterator[PopulatedServer]:
    trips = RoundTrips()
    async with AsyncExitStack() as stack:
        storage = await stack.enter_async_context(Storage.open(mongodb_uri, "test-round-trips", listeners=[trips]))
        await apps.ensure_admin(storage, ADMIN_TOKEN)
        services = create_services(storage, configured_tokens=frozenset({tokens.digest(ADMIN_TOKEN)}))
        await _populate(World(services))
        server = PopulatedServer(await stack.enter_async_context(served(services)), trips)
        stack.push_async_callback(server.close)
        await server.ask("{ __typename }")  # caches the token
        yield server


async def _populate(world: World) -> None:
    """AGENTS agents in 3 of 13 departments each, and ROOMS rooms with 3 to 14 messages each."""
    context = world.context
    for target in (FieldTarget.USER, FieldTarget.ROOM):
        await define_custom_field(context, target=target, key="level", type=FieldType.NUMBER)
    departments = [await world.department(f"D{n}", RoutingMethod.MANUAL) for n in range(13)]

    async def agent(n: int) -> None:
        own = [departments[(n + step) % 13] for step in range(3)]
        user = await world.agent(f"agent-{n:03}", departments=own, roles=["bot"] if n % 2 else ["livechat-manager"])
        await agents.update_agent(context, agent_id=user.id, max_rooms=n)

    await asyncio.gather(*(agent(n) for n in range(AGENTS)))
    all_agents = (await agents.list_agents(context, first=200)).items

    async def room(n: int) -> None:
        await world.visitor(f"v{n}")
        started = await rooms.start_room(
            context, visitor_token=f"v{n}", department_id=departments[n].id, custom_fields=values(level=n)
        )
        await rooms.assign_agent(context, room_id=started.id, agent_id=all_agents[50 + n % 4].id)
        for text in range(3 + n):
            await messages.send_message(context, room_id=started.id, text=str(text))

    await asyncio.gather(*(room(n) for n in range(ROOMS)))


USER = "username roles { name description } customFields { key value }"


async def test_page_of_agents_with_nested_objects(server: PopulatedServer) -> None:
    data, trips = await server.ask(
        "{ agents(first: 50) { nodes { routable user { " + USER + " } departments { name agents(first: 1) { nodes "
        "{ id } } } } } }"
    )

    assert len(data["agents"]["nodes"]) == 50
    assert all(len(node["departments"]) == 3 and node["user"]["roles"] for node in data["agents"]["nodes"])
    assert trips == ["find users", "aggregate departments"]


async def test_more_rows_than_the_first_batch_of_mongodb(server: PopulatedServer) -> None:
    data, trips = await server.ask("{ users(first: 200) { nodes { " + USER + " agent { departments { name } } } } }")

    assert len(data["users"]["nodes"]) == AGENTS
    assert trips == ["find users"]


async def test_departments_and_agents_and_departments_again(server: PopulatedServer) -> None:
    data, trips = await server.ask(
        "{ departments { name agents(first: 5) { totalCount nodes { user { " + USER + " } departments { name "
        "agents(first: 2) { totalCount nodes { id } pageInfo { hasNextPage } } } } } } }"
    )

    assert [len(one["agents"]["nodes"]) for one in data["departments"]] == [5] * 13
    assert [one["agents"]["totalCount"] for one in data["departments"]] == [30] * 13
    # Two pages of agents for each department, and their totals, in any order.
    assert sorted(trips) == sorted(["find departments", *["aggregate departments"] * 4])


async def test_agents_and_their_rooms(server: PopulatedServer) -> None:
    data, trips = await server.ask(
        '{ agents(first: 100) { nodes { id rooms(first: 2, where: { customFields: [{ key: "level", gte: 1 }] }) { '
        "totalCount pageInfo { hasNextPage } nodes { servedBy { id } visitor { token } } } } } }"
    )

    served = {one["id"]: one["rooms"] for one in data["agents"]["nodes"] if one["rooms"]["nodes"]}
    assert [(len(page["nodes"]), page["totalCount"]) for page in served.values()] == [(2, 2), (2, 3), (2, 3), (2, 3)]
    assert all(room["servedBy"]["id"] == agent for agent, page in served.items() for room in page["nodes"])
    assert sorted(trips) == sorted(["find users", "aggregate users", "aggregate users", "find visitors", "find users"])


async def test_rooms_with_all_nested_objects(server: PopulatedServer) -> None:
    data, trips = await server.ask(
        "{ rooms(first: 12) { nodes { id visitor { token } department { name } servedBy { id user { "
        + USER
        + " } } lastServedBy { id } customFields { key value } "
        "messages(first: 4) { totalCount pageInfo { hasNextPage } nodes { text sender { name } room { id } } } "
        "events(first: 3) { totalCount edges { node { type ... on RoomEvent { room { visitor { token } } } } } } "
        "} } }"
    )

    nodes = data["rooms"]["nodes"]
    assert len(nodes) == ROOMS
    assert sorted(node["messages"]["totalCount"] for node in nodes) == [*range(3, 3 + ROOMS)]
    assert all(len(node["messages"]["nodes"]) == min(4, node["messages"]["totalCount"]) for node in nodes)
    assert all(node["messages"]["pageInfo"]["hasNextPage"] == (node["messages"]["totalCount"] > 4) for node in nodes)
    # RoomStarted, RoomQueued, AgentAssigned, and every message.
    assert [node["events"]["totalCount"] for node in nodes] == [3 + node["messages"]["totalCount"] for node in nodes]
    assert all(
        [edge["node"]["type"] for edge in node["events"]["edges"]] == ["ROOM_STARTED", "ROOM_QUEUED", "AGENT_ASSIGNED"]
        for node in nodes
    )
    assert sorted(trips) == sorted(["find rooms", "find visitors", "find users", *["aggregate rooms"] * 4])


async def test_app_data_of_a_page_is_one_round_trip(server: PopulatedServer) -> None:
    asked = '{ rooms(first: 12) { nodes { id a: appData(key: "a") { value } b: appData(key: "b") { value } } } }'
    before, _ = await server.ask(asked)
    last = before["rooms"]["nodes"][-1]["id"]
    await server.ask(
        f'mutation {{ setAppData(input: {{ of: {{ roomId: "{last}" }}, key: "b", value: 7 }}) {{ clientMutationId }} }}'
    )

    data, trips = await server.ask(asked)

    assert [node["b"] for node in data["rooms"]["nodes"]] == [*[None] * (ROOMS - 1), {"value": 7}]
    assert {node["a"] for node in data["rooms"]["nodes"]} == {None}
    assert trips == ["find rooms", "find app_data"]


async def test_later_pages_of_many_lists_are_two_round_trips(server: PopulatedServer) -> None:
    asked = "{ rooms(first: 50) { nodes { messages(first: 50%s) { edges { cursor node { number } } } } } }"
    everything, _ = await server.ask(asked % "")
    lists = [room["messages"]["edges"] for room in everything["rooms"]["nodes"]]
    after = next(edges[3]["cursor"] for edges in lists if len(edges) > 3)

    rest, trips = await server.ask(asked % f', after: "{after}"')

    assert _numbers(everything) == [[*range(1, len(one) + 1)] for one in _numbers(everything)]
    assert _numbers(rest) == [[*range(5, len(one) + 1)] for one in _numbers(everything)]
    # The second one checks for messages before the page in rooms that have no message at the cursor.
    assert trips == ["find rooms", "aggregate rooms", "aggregate rooms"]


def _numbers(data: Any) -> list[list[int]]:
    """The numbers of the returned messages, by room."""
    return [[edge["node"]["number"] for edge in room["messages"]["edges"]] for room in data["rooms"]["nodes"]]


async def test_a_total_is_counted_only_if_it_is_selected(server: PopulatedServer) -> None:
    _, without = await server.ask("{ users(first: 1) { nodes { id } pageInfo { hasNextPage } } }")
    counted, with_total = await server.ask("{ users(first: 1) { totalCount } }")

    assert without == ["find users"]
    assert with_total == ["find users", "aggregate users"]
    assert counted["users"]["totalCount"] == AGENTS


async def test_one_user_by_a_field_takes_one_read(server: PopulatedServer) -> None:
    _, trips = await server.ask('{ user(by: { username: "agent-007" }) { ' + USER + " agent { departments { id } } } }")

    assert trips == ["find users"]


async def test_messages_make_the_same_round_trips_with_timers_that_they_restart(server: PopulatedServer) -> None:
    data, _ = await server.ask("{ rooms(last: 1) { nodes { id } } }")
    room = data["rooms"]["nodes"][0]["id"]
    send = f'mutation {{ sendMessage(input: {{ roomId: "{room}", text: "x" }}) {{ message {{ id }} }} }}'
    query = f'{{ timers(roomId: "{room}") {{ name dueAt setBy {{ name }} room {{ status }} }} }}'
    _, without_timers = await server.ask(send)
    _, empty = await server.ask(query)

    for number in range(5):
        values = f'roomId: "{room}", name: "{number}", seconds: 600, restartOn: [MESSAGE_SENT]'
        await server.ask(f"mutation {{ setTimer(input: {{ {values} }}) {{ timer {{ name }} }} }}")
    _, with_timers = await server.ask(send)
    found, trips = await server.ask(query)

    assert with_timers == without_timers
    assert len(found["timers"]) == 5
    assert (empty, trips) == (["find rooms"], ["find rooms", "find timers", "find rooms"])
