"""A room goes back to the queue when nobody at Salesforce serves it, and closes when nobody writes."""

import pytest

from examples.salesforce_chat.session import Session
from switchboard_client import GiveUp
from switchboard_client.types import RoutingMethod
from tests.client.support import until
from tests.examples.salesforce_chat.conftest import RunBridge
from tests.examples.salesforce_chat.world import World

NOBODY = "Nobody is available there at the moment. We will find somebody else for you."


async def test_failed_routing_gives_the_room_back(world: World, run_bridge: RunBridge) -> None:
    await world.agents.set_routing("nobody")
    await run_bridge()
    await world.start_room("Hello?")

    await world.assign()

    room = await world.becomes("QUEUED")
    assert room["passedOver"] == [{"user": {"username": world.agent}}]
    assert await world.texts() == ["Hello?", NOBODY]
    await world.is_closed()


async def test_failed_routing_gives_the_room_to_the_fallback_department(world: World, run_bridge: RunBridge) -> None:
    name = f"{world.agent}-people"
    people = await world.admin.create_department(name=name, routing=RoutingMethod.MANUAL)
    await world.agents.set_routing("nobody")
    await run_bridge(FALLBACK_DEPARTMENT=name, TEXT_NOBODY="")
    await world.start_room()

    await world.assign()

    assert (await world.becomes("QUEUED"))["department"] == {"id": people.department.id}
    assert await world.texts() == []


async def test_room_that_nobody_takes_in_time_is_given_back(world: World, run_bridge: RunBridge) -> None:
    await world.agents.set_routing("wait")
    await run_bridge(WAIT_SECONDS="1")
    await world.start_room()

    await world.assign()

    await world.becomes("QUEUED")
    assert await world.texts() == [NOBODY]
    await world.is_closed()


async def test_agent_who_comes_in_time_keeps_the_room(world: World, run_bridge: RunBridge) -> None:
    await world.agents.set_routing("wait")
    await run_bridge(WAIT_SECONDS="600")
    await world.start_room()
    await world.assign()
    conversation = (await world.conversation())["id"]

    await world.agents.join(conversation, "Kim")

    await world.shows("Kim joined the conversation.")
    await until(lambda: has_no_timer(world, "salesforce.wait"))
    assert (await world.room())["status"] == "ASSIGNED"


async def has_no_timer(world: World, name: str) -> bool:
    timers = await world.admin.timers(room_id=world.room_id)
    return timers is not None and name not in {timer.name for timer in timers}


async def test_agent_who_leaves_for_good_gives_the_room_back(world: World, run_bridge: RunBridge) -> None:
    await run_bridge(LEFT_SECONDS="1", WAIT_SECONDS="600")
    await world.start_room()
    await world.assign()

    await world.agents.leave(await world.served())

    await world.becomes("QUEUED")
    assert (await world.texts())[-1] == NOBODY


@pytest.mark.parametrize("path", ["/conversation", "/access-token"])
async def test_salesforce_that_does_not_answer_gives_the_room_back(
    world: World, run_bridge: RunBridge, path: str
) -> None:
    await world.agents.fail("POST", path, 503, times=1000)
    await run_bridge(UNREACHABLE_SECONDS="1")
    await world.start_room("Hello?")

    await world.assign()

    await world.becomes("QUEUED")
    assert await world.texts() == ["Hello?", NOBODY]
    assert await world.agents.conversations() == []


async def test_assignment_that_cannot_be_handled_gives_the_room_back(
    world: World, run_bridge: RunBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise GiveUp("a defect")

    monkeypatch.setattr(Session, "open", fail)
    await run_bridge()
    await world.start_room("Hello")

    await world.assign()

    room = await world.becomes("QUEUED")
    assert room["passedOver"] == [{"user": {"username": world.agent}}]
    assert await world.texts() == ["Hello", NOBODY]


@pytest.mark.parametrize("text", ["Farewell.", ""])
async def test_idle_room_is_closed(world: World, run_bridge: RunBridge, text: str) -> None:
    await run_bridge(IDLE_SECONDS="1", TEXT_IDLE=text)
    await world.start_room()

    await world.assign()

    room = await world.becomes("CLOSED")
    assert room["closeComment"] == "Nobody wrote in time."
    assert await world.texts() == ["Sasha joined the conversation.", *filter(None, [text])]
    await world.is_closed()
