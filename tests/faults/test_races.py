"""Races for rooms and agents over real HTTP, with several server processes over one MongoDB."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest

from storage import waiting_rooms
from storage.custom_fields.definition_cache import DefinitionCache
from storage.facts import AgentAssigned, AnyFact
from storage.log.log import Log
from storage.mongo.connection import Database
from storage.mongo.reader import Reader
from tests.faults.clients import ROOM, Client, Refused, gather
from tests.histories import verify_history
from tests.processes import ServerProcess

SERVERS = 3
AGENTS, CAPACITY, ROOMS = 10, 4, 160
#: The time limit for background work of the servers.
TIMEOUT_SECONDS = 120


@pytest.fixture
def servers(mongodb_uri: str, database_name: str) -> Iterator[list[str]]:
    """The addresses of several servers over one new database."""
    with ExitStack() as stack:
        started = [stack.enter_context(ServerProcess(mongodb_uri, database_name)) for _ in range(SERVERS)]
        yield [server.url for server in started]


@pytest.fixture
async def client(servers: list[str]) -> AsyncIterator[Client]:
    async with Client(servers) as client:
        await client.visitor("v")
        yield client


@pytest.fixture
async def database(mongodb_uri: str, database_name: str) -> AsyncIterator[Database]:
    """The database of the servers."""
    async with Database(mongodb_uri, database_name) as database:
        yield database


async def whole_log(database: Database) -> list[AnyFact]:
    """All facts, when the outbox is empty."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while await database["outbox"].find_one({}):
        assert time.monotonic() < until
        await asyncio.sleep(0.05)
    return await Log(database).read(0, 1_000_000)


async def counts_by_status(client: Client) -> dict[str, int]:
    statuses = ("QUEUED", "ASSIGNED", "ON_HOLD", "CLOSED")
    fields = " ".join(f"{one}: rooms(where: {{status: [{one}]}}) {{ totalCount }}" for one in statuses)
    found = await client.send(f"{{ {fields} }}")
    return {one: found[one]["totalCount"] for one in statuses if found[one]["totalCount"]}


async def until_counts_are(client: Client, wanted: dict[str, int]) -> None:
    """Return when so many rooms have each status."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while (found := await counts_by_status(client)) != wanted:
        assert time.monotonic() < until, found
        await asyncio.sleep(0.02)


async def rooms_of(client: Client, status: str) -> list[str]:
    """The ids of rooms with that status, in the order in which they were started."""
    query = """query ($after: Cursor, $status: [RoomStatus!]) {
        rooms(first: 200, after: $after, where: {status: $status}) { nodes { id } pageInfo { hasNextPage endCursor } }
    }"""
    found: list[str] = []
    after = None
    while True:
        page = (await client.send(query, after=after, status=[status]))["rooms"]
        found += [node["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return found


async def in_queue_order(database: Database) -> list[str]:
    """The ids of the queued rooms, in queue order."""
    reader = Reader(database, DefinitionCache(database))
    return [room.id for room in await waiting_rooms.list_waiting(reader, [None], limit=10_000)]


async def open_counts(client: Client) -> Counter[int]:
    """The number of agents by their number of open rooms."""
    found = await client.send("{ agents(first: 200) { nodes { openRoomCount } } }")
    return Counter(node["openRoomCount"] for node in found["agents"]["nodes"])


# ---------------------------------------------------------------- one room


async def test_one_of_100_concurrent_takes_of_a_room_succeeds_and_the_others_name_its_agent(
    client: Client, database: Database
) -> None:
    names = [f"agent{number}" for number in range(10)]
    ids = await asyncio.gather(*(client.agent(name, password="correct horse battery") for name in names))
    logins = await asyncio.gather(
        *(client.mutate("login", "token", username=name, password="correct horse battery") for name in names)
    )
    manual = await client.mutate("createDepartment", "department { id }", name="Manual", routing="MANUAL")
    department = manual["department"]["id"]
    await client.mutate("setDepartmentAgents", "department { id }", departmentId=department, add=ids)
    room = await client.start("v", departmentId=department)

    takes = [client.mutate("takeRoom", ROOM, roomId=room["id"], bearer=login["token"]) for login in logins * 10]
    answers = await gather(*takes)

    won = [answer["room"]["servedBy"]["id"] for answer in answers if isinstance(answer, dict)]
    lost = [answer.extensions for answer in answers if isinstance(answer, Refused)]
    assert (len(won), len(lost)) == (1, 99)
    user_id = f"usr_{won[0].removeprefix('agt_')}"
    winner = {"id": won[0], "userId": user_id, "username": names[ids.index(won[0])]}
    assert {extensions["code"] for extensions in lost} == {"ROOM_ALREADY_ASSIGNED"}
    assert all(extensions["servedBy"] == winner for extensions in lost)
    facts = await whole_log(database)
    verify_history(facts)
    assert sum(isinstance(fact, AgentAssigned) for fact in facts) == 1


# ---------------------------------------------------------------- many rooms


async def test_of_160_concurrent_rooms_40_are_assigned_and_all_are_served_in_order(
    client: Client, database: Database
) -> None:
    await asyncio.gather(*(client.agent(f"agent{number}", max_rooms=CAPACITY) for number in range(AGENTS)))

    started = await gather(*(client.start("v") for _ in range(ROOMS)))

    assert [one for one in started if not isinstance(one, dict)] == []
    places = AGENTS * CAPACITY
    await until_counts_are(client, {"ASSIGNED": places, "QUEUED": ROOMS - places})
    assert await open_counts(client) == {CAPACITY: AGENTS}
    waiting = await in_queue_order(database)
    for closed in range(3):  # one after the other: the next room in the queue gets each place
        await client.mutate("closeRoom", ROOM, roomId=(await rooms_of(client, "ASSIGNED"))[0])
        await until_counts_are(client, {"ASSIGNED": places, "QUEUED": len(waiting) - closed - 1, "CLOSED": closed + 1})
        assert await in_queue_order(database) == waiting[closed + 1 :]
    left = waiting[3:]
    while left:  # as many at once as there are places: the next rooms get the places
        closed = ROOMS - places - len(left)
        await gather(*(client.mutate("closeRoom", ROOM, roomId=one) for one in await rooms_of(client, "ASSIGNED")))
        left = left[places:]
        still = min(places, ROOMS - closed - places)
        await until_counts_are(
            client, {"ASSIGNED": still, "CLOSED": closed + places} | ({"QUEUED": len(left)} if left else {})
        )
        assert await in_queue_order(database) == left
    await gather(*(client.mutate("closeRoom", ROOM, roomId=one) for one in await rooms_of(client, "ASSIGNED")))
    assert await counts_by_status(client) == {"CLOSED": ROOMS}
    assert await open_counts(client) == {0: AGENTS}
    facts = await whole_log(database)
    verify_history(facts)
    assert Counter(f"room_{fact.subject_id}" for fact in facts if isinstance(fact, AgentAssigned)) == {
        room["id"]: 1 for room in started
    }


async def test_limits_hold_and_all_rooms_are_served_while_agents_change(client: Client, database: Database) -> None:
    ids = await asyncio.gather(*(client.agent(f"agent{number}", max_rooms=CAPACITY) for number in range(AGENTS)))
    rooms_at_all = 80
    rest = random.Random(5)
    over = asyncio.Event()

    async def come_and_go(agent_id: str) -> None:
        while not over.is_set():
            for status in ("NOT_AVAILABLE", "AVAILABLE"):
                await client.mutate("setAgentStatus", "agent { id }", agentId=agent_id, status=status)
                await asyncio.sleep(rest.uniform(0, 0.2))

    async def watch() -> None:
        while not over.is_set():
            assert max(await open_counts(client)) <= CAPACITY
            await asyncio.sleep(0.05)

    async def close_what_is_served() -> None:
        closed = 0
        while closed < rooms_at_all:
            served = (await rooms_of(client, "ASSIGNED"))[:20]
            answers = await gather(*(client.mutate("closeRoom", ROOM, roomId=one) for one in served))
            closed += sum(isinstance(answer, dict) for answer in answers)
            await asyncio.sleep(0.02)

    changing = [asyncio.create_task(come_and_go(agent_id)) for agent_id in ids[: AGENTS // 2]]
    changing.append(asyncio.create_task(watch()))
    async with asyncio.timeout(TIMEOUT_SECONDS):
        started, _ = await asyncio.gather(
            gather(*(client.start("v") for _ in range(rooms_at_all))), close_what_is_served()
        )
        over.set()
        await asyncio.gather(*changing)

    assert [one for one in started if not isinstance(one, dict)] == []
    assert await counts_by_status(client) == {"CLOSED": rooms_at_all}
    assert await open_counts(client) == {0: AGENTS}
    verify_history(await whole_log(database))
