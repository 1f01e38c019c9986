"""The app decides about each room once, whenever it is killed, and whatever the outside system answers."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from examples.external_routing.outside import OutsideSystem, OutsideSystemFailed, Person
from examples.external_routing.settings import Settings
from examples.external_routing.stand_in import Question, StandIn, served
from switchboard_client import Api, open_api
from switchboard_client.events import AgentAssigned, RoutingDeclined
from switchboard_client.inputs import CustomFieldInput
from switchboard_client.types import FieldTarget, FieldType, RoomStatus, RoutingMethod
from tests.client.support import until
from tests.conftest import ADMIN_TOKEN
from tests.processes import ROOT

TOKEN = "token-of-the-outside-system"


@dataclass
class World:
    """A department that waits for the decisions of the app, and the outside system."""

    api: Api
    stand_in: StandIn
    department_id: str
    environment: dict[str, str]
    room_field: str
    user_field: str

    async def start(self, case: str | None) -> str:
        token = f"visitor-{secrets.token_hex(6)}"
        await self.api.save_visitor(token=token)
        fields: list[CustomFieldInput] = [] if case is None else [{"key": self.room_field, "value": case}]
        started = await self.api.start_room(visitor_token=token, department_id=self.department_id, custom_fields=fields)
        return started.room.id

    async def served_by(self, room_id: str) -> str | None:
        """The external id of the agent who serves the room."""
        room = await self.api.room(by={"id": room_id})
        assert room is not None
        return None if room.served_by is None else str(room.served_by.user.custom_field(self.user_field))

    async def _reads(self) -> bool:
        name = self.environment["ROUTING_CONSUMER"]
        return any(one.name == name and one.connected for one in await self.api.consumers() or ())

    @asynccontextmanager
    async def app(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """The app as a process. It is killed when the block ends."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "examples.external_routing", cwd=ROOT, env=os.environ | self.environment
        )
        try:
            await until(self._reads)
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture
async def world(shared_url: str) -> AsyncIterator[World]:
    run = secrets.token_hex(4)
    people = {
        f"case-{number}": Person(f"E-{run}-{number}", f"Agent {number}", f"e-{run}-{number}") for number in (1, 2)
    }
    stand_in = StandIn(TOKEN, people)
    async with open_api(shared_url, ADMIN_TOKEN) as api, served(stand_in) as outside_url:
        room_field, user_field = f"case{run}", f"external{run}"
        await api.define_custom_field(target=FieldTarget.ROOM, key=room_field, type=FieldType.TEXT)
        await api.define_custom_field(target=FieldTarget.USER, key=user_field, type=FieldType.TEXT, unique=True)
        department = await api.create_department(name=f"outside {run}", routing=RoutingMethod.EXTERNAL)
        environment = {
            "SWITCHBOARD_URL": shared_url,
            "SWITCHBOARD_TOKEN": ADMIN_TOKEN,
            "OUTSIDE_URL": outside_url,
            "OUTSIDE_TOKEN": TOKEN,
            "ROUTING_CONSUMER": f"router-{run}",
            "ROUTING_ROOM_FIELD": room_field,
            "ROUTING_USER_FIELD": user_field,
            "ROUTING_DEPARTMENT_ID": department.department.id,
        }
        yield World(api, stand_in, department.department.id, environment, room_field, user_field)


async def test_each_room_is_decided_once_although_the_app_is_killed_and_restarted(world: World) -> None:
    expected = world.stand_in.people["case-1"].external_id
    async with world.app() as process:
        first = await world.start("case-1")
        await until(lambda: _is(world.served_by(first), expected))
        # Killed while it waits for the answer of the outside system, or just after it.
        rooms = [first, *[await world.start("case-1") for _ in range(4)]]
        await until(lambda: len(world.stand_in.asked) >= 3)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    rooms += [await world.start("case-1"), await world.start("somebody else's"), await world.start(None)]

    async with world.app() as process:
        await until(lambda: _all_decided(world, rooms))
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0

    assert [await world.served_by(room) for room in rooms] == [expected] * 6 + [None] * 2
    assigned = (await world.api.events(AgentAssigned, where={"ids": rooms}, first=200)).nodes
    assert sorted(event.room.room_id for event in assigned) == sorted(rooms[:6])
    declined = (await world.api.events(RoutingDeclined, where={"ids": rooms}, first=200)).nodes
    assert sorted((rooms.index(event.room.room_id), event.reason) for event in declined) == [
        (6, "somebody else's is not a case of ours"),
        (7, f"The room has no {world.room_field}"),
    ]
    agents = await world.api.users(where={"customFields": [{"key": world.user_field, "exists": True}]})
    assert agents is not None
    assert [user.custom_field(world.user_field) for user in agents.nodes] == [expected]


async def test_room_is_transferred_when_it_is_about_another_case(world: World) -> None:
    one, two = (world.stand_in.people[case].external_id for case in ("case-1", "case-2"))
    async with world.app() as process:
        world.stand_in.down = True
        room = await world.start("case-1")
        await until(lambda: world.stand_in.refused > 0)
        world.stand_in.down = False
        await until(lambda: _is(world.served_by(room), one))
        assert process.returncode is None

        async with open_api(world.environment["SWITCHBOARD_URL"], await _other_token(world)) as other:
            await other.update_room(room_id=room, custom_fields=[{"key": world.room_field, "value": "case-2"}])
        await until(lambda: _is(world.served_by(room), two))


async def test_case_that_changes_before_its_decision_is_followed(world: World) -> None:
    two = world.stand_in.people["case-2"].external_id
    async with world.app():
        world.stand_in.down = True
        room = await world.start("case-1")
        await until(lambda: world.stand_in.refused > 0)
        # The event of this change shows a room that nobody serves yet.
        async with open_api(world.environment["SWITCHBOARD_URL"], await _other_token(world)) as other:
            await other.update_room(room_id=room, custom_fields=[{"key": world.room_field, "value": "case-2"}])
        world.stand_in.down = False
        await until(lambda: _is(world.served_by(room), two))


async def _other_token(world: World) -> str:
    created = await world.api.create_app(name=f"other {secrets.token_hex(4)}", scopes=["rooms:read", "rooms:write"])
    return created.token


async def _is(found: Awaitable[str | None], expected: str) -> bool:
    return await found == expected


async def _all_decided(world: World, rooms: list[str]) -> bool:
    declined = (await world.api.events(RoutingDeclined, where={"ids": rooms}, first=200)).nodes
    found = await world.api.rooms(where={"ids": rooms}, first=200)
    assert found is not None
    assigned = [room for room in found.nodes if room.status == RoomStatus.ASSIGNED]
    return len(assigned) + len(declined) == len(rooms)


async def test_outside_system_refuses_and_fails_as_a_real_one() -> None:
    stand_in = StandIn(TOKEN, {"case-1": Person("E-1", "Agent", "agent")})
    async with served(stand_in) as url:
        known, unknown = OutsideSystem(url, TOKEN), OutsideSystem(url, "another token")
        assert await known.who_serves("case-1", room_id="room_1", attempt=1) == stand_in.people["case-1"]
        assert await known.who_serves("case-2", room_id="room_1", attempt=2) is None
        assert stand_in.asked == [Question("case-1", "room_1", 1), Question("case-2", "room_1", 2)]
        with pytest.raises(OutsideSystemFailed, match="401"):
            await unknown.who_serves("case-1", room_id="room_1", attempt=1)
        stand_in.down = True
        with pytest.raises(OutsideSystemFailed, match="503"):
            await known.who_serves("case-1", room_id="room_1", attempt=1)
    with pytest.raises(OutsideSystemFailed, match="does not answer"):
        await known.who_serves("case-1", room_id="room_1", attempt=1)
    await known.close()
    await unknown.close()


def test_missing_settings_are_named() -> None:
    with pytest.raises(ValueError, match="Set OUTSIDE_URL, OUTSIDE_TOKEN"):
        Settings.from_environment({"SWITCHBOARD_TOKEN": "t"})
