"""Servers and primaries are killed repeatedly under load, and every guarantee holds.

The short form is part of every run of the tests; `make soak` runs each for SOAK_SECONDS.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from storage.embedded.node import find_binary
from storage.embedded.replica_set import EmbeddedReplicaSet
from storage.facts import AnyFact, MessageSent, RoomClosed, RoomFact, TimerElapsed, tag_of
from storage.log.log import Log
from storage.mongo.connection import Database
from tests.faults.load import WORKERS, Follower, Load, Outcome, Servers, count_outcomes, running_servers
from tests.histories import verify_history

LOAD_SECONDS = float(os.environ.get("SOAK_SECONDS", "8"))
#: The share of primaries that are stopped for a while instead of killed.
STOPPED_SHARE = 1 / 3
#: Twice the time after which other processes kill the sessions of a process.
STOPPED_SECONDS = 6.0
#: The longest time until no more facts are added after the load has ended.
REST_SECONDS = 60
#: The facts of each mutation that took effect, without those of the queue.
FACTS_BY_MUTATION = {
    "startRoom": {"ROOM_STARTED": 1},
    "sendMessage": {"MESSAGE_SENT": 1},
    "updateRoom": {"ROOM_UPDATED": 1},
    "unassignAgent": {"AGENT_UNASSIGNED": 1},
    "closeRoom": {"ROOM_CLOSED": 1},
    "setTimer": {},
    "cancelTimer": {},
}
STARTS_AND_CLOSES = ("ROOM_STARTED", "ROOM_CLOSED")

Report = Callable[[str], None]
#: The numbers of servers, and of mutations at the same time. A mutation that runs alone appends its facts itself.
many_or_one = pytest.mark.parametrize(
    ("count", "workers"), [(2, WORKERS), (1, 1)], ids=["many mutations", "one mutation"]
)


@pytest.fixture
def report(pytestconfig: pytest.Config) -> Report:
    """Shows a line of figures, also when the test passes."""
    terminal = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    capture = pytestconfig.pluginmanager.get_plugin("capturemanager")
    assert terminal is not None
    assert capture is not None

    def show(line: str) -> None:
        with capture.global_and_fixture_disabled():
            terminal.write_line(f"\n  {line}")

    return show


@many_or_one
async def test_servers_are_killed_under_load(
    mongodb_uri: str, database_name: str, report: Report, count: int, workers: int
) -> None:
    chance = random.Random()
    with running_servers(mongodb_uri, database_name, count=count) as servers:

        async def kill(until: float) -> int:
            kills = 0
            while time.monotonic() < until:
                await asyncio.sleep(chance.uniform(0.2, 1.5))
                await asyncio.to_thread(servers.kill_and_restart, chance.randrange(count))
                kills += 1
            return kills

        await run_under_load(servers, mongodb_uri, database_name, chance, kill, report, "servers killed", workers)


@many_or_one
async def test_primaries_are_killed_under_load(tmp_path: Path, report: Report, count: int, workers: int) -> None:
    """A stopped primary that continues believes for a while that it is still the primary."""
    chance = random.Random()
    replica_set = EmbeddedReplicaSet(tmp_path, nodes=3, cache_gb=0.25, election_timeout_ms=1_000, heartbeat_ms=300)
    with replica_set as mongod, running_servers(mongod.uri, "storm", count=count, short_timeout=1) as servers:

        def lose_primary() -> None:
            primary = next(node for node in mongod.nodes if node.is_primary())
            others = [node for node in mongod.nodes if node is not primary]
            frozen = chance.random() < STOPPED_SHARE
            primary.signal(signal.SIGSTOP if frozen else signal.SIGKILL)
            try:
                if not frozen:
                    primary.wait_until_exited()
                wait_until(lambda: any(node.is_primary() for node in others))
            finally:
                if frozen:
                    primary.signal(signal.SIGCONT)
                else:
                    primary.launch(find_binary())
            wait_until(lambda: all(node.is_in_sync() for node in mongod.nodes))

        async def kill(until: float) -> int:
            kills = 0
            while time.monotonic() < until:
                await asyncio.sleep(chance.uniform(0.5, 3))
                await asyncio.to_thread(lose_primary)
                kills += 1
            return kills

        await run_under_load(servers, mongod.uri, "storm", chance, kill, report, "primaries lost", workers)


async def test_servers_are_stopped_under_load(mongodb_uri: str, database_name: str, report: Report) -> None:
    """Servers are paused until other servers have ended their leases, and then continue."""
    chance = random.Random()
    with running_servers(mongodb_uri, database_name, count=2) as servers:

        async def stop(until: float) -> int:
            stops = 0
            while time.monotonic() < until:
                await asyncio.sleep(chance.uniform(0.2, 1.5))
                one = chance.randrange(2)
                servers.signal(one, signal.SIGSTOP)
                try:
                    await asyncio.sleep(chance.uniform(0.5, STOPPED_SECONDS))
                finally:
                    servers.signal(one, signal.SIGCONT)
                stops += 1
            return stops

        await run_under_load(servers, mongodb_uri, database_name, chance, stop, report, "servers stopped")


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + REST_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


# ---------------------------------------------------------------- load and verification


async def run_under_load(
    servers: Servers,
    uri: str,
    database_name: str,
    chance: random.Random,
    kill: Callable[[float], Awaitable[int]],
    report: Report,
    what: str,
    workers: int = WORKERS,
) -> None:
    """Run load and faults at the same time, wait until no more facts are added, and verify every guarantee."""
    load = Load(servers.urls, chance, workers=workers)
    await load.prepare()
    followers = [
        Follower(servers.urls, chance),
        Follower(servers.urls, chance),
        Follower(servers.urls, chance, types=STARTS_AND_CLOSES),
        Follower(servers.urls, chance, consumer="router"),
    ]
    async with following(followers, chance):
        until = time.monotonic() + LOAD_SECONDS
        kills, _ = await asyncio.gather(kill(until), load.run(until))
        async with Database(uri, database_name) as database:
            facts = await at_rest(database)
            expected = {one: matching_facts(follower, facts) for one, follower in enumerate(followers)}
            await until_seen(followers, expected)
            lost, doubled = compare(load.outcomes, facts)
            report(
                f"{what}: {kills}; subscribers cut: {sum(one.cuts for one in followers)}; "
                f"mutations: {len(load.outcomes)} ({load.repeated} sent again, {load.renewed} of them as new); "
                f"facts: {len(facts)}; timers elapsed: {sum(isinstance(fact, TimerElapsed) for fact in facts)}; "
                f"lost: {len(lost)}; doubled: {len(doubled)}; "
                f"hung: {load.hung}; longest pause: {load.longest_seconds:.1f} s"
            )
            assert kills > 0
            assert count_outcomes(load.outcomes)["startRoom"] > 0
            assert (lost, doubled, load.hung) == ([], [], 0)
            verify_timers(load.outcomes, facts)
            verify_history(facts)
            await verify_documents(database, facts)
    for one, follower in enumerate(followers):
        assert follower.wrong == []
        assert follower.seen == expected[one]


@asynccontextmanager
async def following(followers: Sequence[Follower], chance: random.Random) -> AsyncIterator[None]:
    """Subscribers that are cut off at random for as long as the block lasts."""

    async def cut() -> None:
        while True:
            await asyncio.sleep(chance.uniform(0.1, 1))
            chance.choice(followers).cut()

    tasks = [asyncio.create_task(one.run()) for one in followers]
    tasks.append(asyncio.create_task(cut()))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def at_rest(database: Database) -> list[AnyFact]:
    """All facts, when no more are added and no timer is left."""
    log = Log(database)
    head = -1
    async with asyncio.timeout(REST_SECONDS):
        while (  # noqa: ASYNC110
            head != (head := await log.head())
            or await database["outbox"].find_one({})
            or await database["timers"].find_one({})
        ):
            await asyncio.sleep(1.5)  # the routing queue polls every second
    return await log.read(0, 1_000_000)


def matching_facts(follower: Follower, facts: Sequence[AnyFact]) -> list[tuple[int, str]]:
    """The sequences and ids that the follower must have seen, in order."""
    return [
        (fact.sequence, f"evt_{fact.id}")
        for fact in facts
        if follower.types is None or tag_of(type(fact)) in follower.types
    ]


async def until_seen(followers: Sequence[Follower], expected: dict[int, list[tuple[int, str]]]) -> None:
    """Return when every follower has seen its last fact, or after REST_SECONDS."""
    until = time.monotonic() + REST_SECONDS
    while any(follower.seen[-1:] != expected[one][-1:] for one, follower in enumerate(followers)):
        if time.monotonic() > until:
            return
        await asyncio.sleep(0.05)


def compare(outcomes: dict[str, Outcome], facts: Sequence[AnyFact]) -> tuple[list[str], list[str]]:
    """The mutations with missing facts, and those with surplus facts."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for fact in facts:
        if fact.client_mutation_id is not None:
            found[fact.client_mutation_id][tag_of(type(fact))] += 1
    lost, doubled = [], []
    for mutation_id, one in outcomes.items():
        wanted = {} if one.refusal else FACTS_BY_MUTATION[one.name]
        has = found[mutation_id]
        if any(has[tag] < count for tag, count in wanted.items()):
            lost.append(mutation_id)
        if (one.refusal and has) or any(has[tag] > count for tag, count in wanted.items()):
            doubled.append(mutation_id)
    doubled.extend(found.keys() - outcomes.keys())  # mutations that were answered as without effect
    doubled.extend(one for one, count in Counter(fact.id for fact in facts).items() if count > 1)
    return lost, doubled


def verify_timers(outcomes: dict[str, Outcome], facts: Sequence[AnyFact]) -> None:
    """Assert that each timer that was set elapsed once, unless it was cancelled or its room was closed."""
    elapsed = Counter(fact.name for fact in facts if isinstance(fact, TimerElapsed))
    closed = {f"room_{fact.subject_id}" for fact in facts if isinstance(fact, RoomClosed)}
    done = [one for one in outcomes.values() if one.refusal is None]
    cancelled = {one.given["name"] for one in done if one.name == "cancelTimer"}
    set_in = {one.given["name"]: one.given["roomId"] for one in done if one.name == "setTimer"}
    assert elapsed.keys() <= set_in.keys() - cancelled
    assert set(elapsed.values()) <= {1}
    lost = [name for name, room in set_in.items() if room not in closed and name not in elapsed.keys() | cancelled]
    assert lost == []


async def verify_documents(database: Database, facts: Sequence[AnyFact]) -> None:
    """Assert that the stored state of each room is that of its last fact."""
    last = {fact.subject_id: fact for fact in facts if isinstance(fact, RoomFact)}
    counts = Counter(fact.subject_id for fact in facts if isinstance(fact, RoomFact))
    rooms = {document["_id"]: document async for document in database["rooms"].find({})}
    assert rooms.keys() == last.keys()
    for room_id, document in rooms.items():
        room = last[room_id].room.room
        assert document["factCount"] == counts[room_id]
        assert (document["revision"], document["status"]) == (room.revision, room.status.value)
        assert (document["servedById"], document["subject"]) == (room.served_by_id, room.subject)
    said = [fact.message.id for fact in facts if isinstance(fact, MessageSent)]
    kept = [document["_id"] async for document in database["messages"].find({}, {"_id": 1})]
    assert sorted(said) == sorted(kept)
