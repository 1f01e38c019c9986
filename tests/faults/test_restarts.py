"""State after a server is killed: counts are correct, time-outs end, and the queue is served."""

import asyncio
import subprocess
import time
from typing import Any

import pytest

from storage.facts import AgentAssigned, AgentUnassigned, AssignmentCause, RoomQueued, UserPresenceChanged
from storage.log.log import Log
from storage.mongo.connection import Database
from tests.faults.clients import ROOM, Client, gather
from tests.histories import verify_history
from tests.processes import ServerProcess, run

KILLS = 3
#: The time from the start of a server to its end.
SERVED_SECONDS = 1.0


def verify_counts(uri: str, database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("verify-counts", *arguments, MONGODB_URI=uri, DATABASE=database)


async def at_rest(database: Database) -> None:
    """Return when every fact has its number."""
    until = time.monotonic() + 60
    while await database["outbox"].find_one({}):
        assert time.monotonic() < until
        await asyncio.sleep(0.05)


async def until_status(client: Client, room_id: str, status: str) -> None:
    """Return when the room has the status."""
    until, query = time.monotonic() + 60, "query ($id: ID!) { room(by: {id: $id}) { status } }"
    while (await client.send(query, id=room_id))["room"] != {"status": status}:
        assert time.monotonic() < until
        await asyncio.sleep(0.05)


async def work(client: Client) -> None:
    """Start, hold, resume, unassign and close rooms until the server is killed."""
    while True:
        room = (await client.start("v"))["id"]
        for name in ("holdRoom", "resumeRoom", "unassignAgent", "closeRoom"):
            answers: list[Any] = await gather(client.mutate(name, ROOM, roomId=room))
            if isinstance(answers[0], OSError):
                return


async def test_counts_are_right_after_servers_were_killed_under_load(mongodb_uri: str, database_name: str) -> None:
    for kill in range(KILLS):
        with ServerProcess(mongodb_uri, database_name) as server:
            async with Client([server.url]) as client:
                await client.visitor("v")
                await gather(*(client.agent(f"agent{kill}-{number}", max_rooms=3) for number in range(4)))
                working = asyncio.gather(*(work(client) for _ in range(16)), return_exceptions=True)
                await asyncio.sleep(SERVED_SECONDS)
                server.kill()
                await working

    async with Database(mongodb_uri, database_name) as database:
        with ServerProcess(mongodb_uri, database_name) as server:
            assert server.url
            verified = await asyncio.to_thread(verify_counts, mongodb_uri, database_name)
            await at_rest(database)  # a server that has just started may not have swept the outbox yet
        assert (verified.returncode, verified.stdout) == (0, "The openRoomCount of every agent is right.\n")
        facts = await Log(database).read(0, 1_000_000)
        verify_history(facts)
        assert sum(isinstance(fact, AgentAssigned) for fact in facts) > KILLS


async def test_wrong_counts_are_reported_and_repaired_by_the_command(mongodb_uri: str, database_name: str) -> None:
    with ServerProcess(mongodb_uri, database_name) as server:
        async with Client([server.url]) as client, Database(mongodb_uri, database_name) as database:
            anna = await client.agent("anna")
            await database["users"].update_one(
                {"_id": anna.partition("_")[2]}, {"$inc": {"agent.openRoomCount": 2, "version": 1}}
            )

            found = await asyncio.to_thread(verify_counts, mongodb_uri, database_name)
            repaired = await asyncio.to_thread(verify_counts, mongodb_uri, database_name, "--repair")

            assert (found.returncode, found.stderr.count("wrong")) == (1, 1)
            assert found.stdout == f"anna ({anna}): openRoomCount is 2, rooms assigned are 0\n"
            assert (repaired.returncode, repaired.stdout.splitlines()[-1]) == (0, "All those counts are corrected.")
            answer = await client.send("query ($id: ID!) { agent(id: $id) { openRoomCount } }", id=anna)
            assert answer == {"agent": {"openRoomCount": 0}}


@pytest.mark.parametrize("survivors", [0, 1])
async def test_rooms_of_an_agent_who_was_gone_when_the_server_died_are_requeued(
    mongodb_uri: str, database_name: str, survivors: int
) -> None:
    with ServerProcess(mongodb_uri, database_name) as doomed:
        async with Client([doomed.url]) as client:
            await client.visitor("v")
            anna = await client.agent("anna")
            made = await client.mutate(
                "createDepartment",
                "department { id }",
                name="D",
                routing="MANUAL",
                whenAgentGone="REQUEUE",
                agentGoneAfterSeconds=3,
            )
            room = await client.start("v", departmentId=made["department"]["id"])
            await client.mutate("assignAgent", ROOM, roomId=room["id"], agentId=anna)
            others = [ServerProcess(mongodb_uri, database_name) for _ in range(survivors)]
            assert all(other.url for other in others)
            await client.mutate("setPresence", "user { id }", userId=anna, presence="OFFLINE")
            doomed.kill()

    with (others or [ServerProcess(mongodb_uri, database_name)])[0] as server:
        async with Client([server.url]) as client, Database(mongodb_uri, database_name) as database:
            await until_status(client, room["id"], "QUEUED")
            await at_rest(database)
            offline, unassigned, queued = (await Log(database).read(0, 1_000))[-3:]
    assert isinstance(offline, UserPresenceChanged)
    assert isinstance(unassigned, AgentUnassigned)
    assert isinstance(queued, RoomQueued)
    assert unassigned.cause is AssignmentCause.AGENT_GONE
    assert (unassigned.occurred_at - offline.occurred_at).total_seconds() >= 3


@pytest.mark.parametrize("survivors", [0, 1])
async def test_overdue_external_decision_of_a_dead_server_is_taken_over(
    mongodb_uri: str, database_name: str, survivors: int
) -> None:
    with ServerProcess(mongodb_uri, database_name) as doomed:
        async with Client([doomed.url]) as client:
            await client.visitor("v")
            anna = await client.agent("anna")
            made = await client.mutate(
                "createDepartment", "department { id }", name="D", routing="EXTERNAL", externalTimeoutSeconds=3
            )
            department = made["department"]["id"]
            await client.mutate("setDepartmentAgents", "department { id }", departmentId=department, add=[anna])
            others = [ServerProcess(mongodb_uri, database_name) for _ in range(survivors)]
            assert all(other.url for other in others)
            room = await client.start("v", departmentId=department)
            assert room["status"] == "QUEUED"
            doomed.kill()

    with (others or [ServerProcess(mongodb_uri, database_name)])[0] as server:
        async with Client([server.url]) as client, Database(mongodb_uri, database_name) as database:
            await until_status(client, room["id"], "ASSIGNED")
            await at_rest(database)
            facts = await Log(database).read(0, 1_000)
    started, assigned = facts[-3], facts[-1]
    assert isinstance(assigned, AgentAssigned)
    assert (assigned.occurred_at - started.occurred_at).total_seconds() >= 3
