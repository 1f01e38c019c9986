"""The bridge as a process of its own, killed (SIGKILL) around every request of a conversation and started again."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from examples.salesforce_crm.__main__ import main
from examples.salesforce_crm.stand_in.rows import Request
from tests.client.support import until
from tests.examples.salesforce_crm.conftest import Deployment


class Killer:
    """Runs the bridge as a process, and kills it at chosen requests to Salesforce."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await self._deployment.start_process()

    async def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await process.wait()

    async def kill_at(self, moments: list[tuple[str, str, str]]) -> None:
        """Start and kill the bridge once for each moment: (method, part of the path, before or after the effect)."""
        for method, part, when in moments:

            def matches(request: Request, method: str = method, part: str = part) -> bool:
                return request.method == method and part in request.path

            pause = self._deployment.stand_in.org.faults.pause(when, matches=matches)
            if self._process is None:
                await self.start()
            async with asyncio.timeout(120):
                await pause.reached.wait()
            await self.kill()
            pause.released.set()


@asynccontextmanager
async def killer_of(deployment: Deployment) -> AsyncIterator[Killer]:
    killer = Killer(deployment)
    try:
        yield killer
    finally:
        await killer.kill()


async def test_every_effect_is_taken_once_although_the_bridge_is_killed_around_each(deployment: Deployment) -> None:
    admin = deployment.admin
    contact, case = "/sobjects/Contact/", "/sobjects/Case/"
    async with killer_of(deployment) as killer:
        await killer.start()
        await until(lambda: connected(deployment))  # from now on, the consumer misses no event
        await killer.kill()
        token = "killed-" + deployment.environment["CRM_CONSUMER"]
        await admin.save_visitor(token=token, name="Ada Park", email="ada@example.com")
        await killer.kill_at([("GET", "/query", "before"), ("PATCH", contact, "before"), ("PATCH", contact, "after")])
        room = (await admin.start_room(visitor_token=token, subject="My parcel")).room.id
        await killer.kill_at([("PATCH", case, "before"), ("PATCH", case, "after")])
        await killer.start()
        await until(lambda: has_case(deployment, room))
        await killer.kill()  # just after the mutation that stores the id and acknowledges the event
        for number in range(1, 4):
            await admin.send_message(room_id=room, text=f"message {number}", as_={"visitorToken": token})
        await admin.close_room(room_id=room, comment="done")
        await killer.kill_at(
            [("GET", case, "before"), ("POST", "/composite/graph", "before"), ("POST", "/composite/graph", "after")]
        )
        await killer.start()
        await deployment.acknowledged()

    (found,) = deployment.records("Contact")
    (closed,) = deployment.records("Case")
    (file,) = deployment.records("ContentVersion")
    assert (found["LastName"], closed["ContactId"], closed["Status"]) == ("Park", found["Id"], "Closed")
    assert await deployment.case_field(room) == closed["Id"]
    lines = base64.b64decode(file["VersionData"]).decode().splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == ["message 1", "message 2", "message 3"]
    events = await updates_of(deployment, room)
    assert events == 1


async def test_sigterm_ends_the_bridge_after_the_event_that_it_handles(deployment: Deployment) -> None:
    pause = deployment.stand_in.org.faults.pause("before", matches=lambda request: "/sobjects/Case/" in request.path)
    async with killer_of(deployment):
        process = await deployment.start_process()
        await until(lambda: connected(deployment))
        room = await deployment.start_room(name="Ada")
        async with asyncio.timeout(120):
            await pause.reached.wait()

        process.terminate()
        pause.released.set()

        assert await process.wait() == 0
    (case,) = deployment.records("Case")
    assert await deployment.case_field(room) == case["Id"]


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("SALESFORCE_CLIENT_ID", "", "SALESFORCE_CLIENT_ID is not set"),
        ("SALESFORCE_USERNAME", "nobody@example.com", "invalid_grant: user hasn't approved this consumer"),
    ],
)
async def test_bridge_with_wrong_settings_does_not_start(
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    message: str,
) -> None:
    for name, right in (deployment.environment | {variable: value}).items():
        monkeypatch.setenv(name, right)

    assert await asyncio.to_thread(main) == 2

    assert f"The bridge does not start: {message}" in capsys.readouterr().err


async def connected(deployment: Deployment) -> bool:
    name = deployment.environment["CRM_CONSUMER"]
    return any(one.name == name and one.connected for one in await deployment.admin.consumers() or ())


async def has_case(deployment: Deployment, room: str) -> bool:
    return await deployment.case_field(room) is not None


async def updates_of(deployment: Deployment, room: str) -> int:
    """How often the room was updated."""
    query = "query($id: ID!) { result: room(by: {id: $id}) { events(first: 200) { nodes { type } } } }"
    found = await deployment.admin.query(query, {"id": room})
    return [event["type"] for event in found["events"]["nodes"]].count("ROOM_UPDATED")
