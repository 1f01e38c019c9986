"""What Salesforce refuses, loses and repeats does not lose or double a message."""

from pathlib import Path

import pytest

from examples.salesforce_chat.stand_in.app import ISSUER, Options
from tests.client.support import until
from tests.examples.salesforce_chat.conftest import RunBridge
from tests.examples.salesforce_chat.world import World


@pytest.mark.parametrize(("status", "applied"), [(500, True), (503, False), (429, False)])
async def test_message_whose_request_fails_is_there_once(
    world: World, run_bridge: RunBridge, status: int, applied: bool
) -> None:
    await run_bridge()
    await world.start_room()
    await world.assign()
    conversation = await world.served()
    await world.agents.fail("POST", "/message", status, times=2, applied=applied)

    for text in ("One", "Two", "Three"):
        await world.write(text)
    await world.hears(conversation, "Three")

    assert await world.agents.said(conversation) == ["One", "Two", "Three"]


async def test_refused_message_is_noted_for_the_staff(world: World, run_bridge: RunBridge) -> None:
    await run_bridge()
    await world.start_room()
    await world.assign()
    conversation = await world.served()
    await world.agents.fail("POST", "/message", 400)

    await world.write("Bad")
    await world.write("Good")

    await world.hears(conversation, "Good")
    assert await world.agents.said(conversation) == ["Good"]
    notes = [message["text"] for message in await world.messages() if message["audience"] == "STAFF"]
    assert len(notes) == 1
    assert notes[0].startswith("Salesforce did not accept the visitor's message 2:")


async def test_message_after_an_unseen_end_starts_another_session(world: World, run_bridge: RunBridge) -> None:
    await run_bridge()
    await world.start_room()
    await world.assign()
    conversation = await world.served()
    await world.agents.fail("GET", "/eventrouter/v1/sse", 503, times=1000)
    await world.agents.cut()
    await world.agents.end(conversation)

    await world.write("One more thing")

    await world.hears(conversation, "One more thing")
    await world.agents.fail("GET", "/eventrouter/v1/sse", 503, times=0)
    await world.agents.say(conversation, "Yes?")
    await world.shows("Yes?")
    assert (await world.room())["status"] == "ASSIGNED"
    assert [one["sessions"] for one in await world.agents.conversations()] == [2]
    await world.agents.end(conversation)
    await world.becomes("CLOSED")


class TestStreamsWithoutReplay:
    @pytest.fixture
    def options(self) -> Options:
        return Options(replay=0)

    async def test_messages_during_cuts_are_listed_in_their_order(self, world: World, run_bridge: RunBridge) -> None:
        await run_bridge(TEXT_JOINED="")
        await world.start_room()
        await world.assign()
        conversation = (await world.conversation())["id"]

        for number in range(12):
            await world.agents.cut(in_frame=number % 2 == 0)
            await world.agents.say(conversation, str(number))

        await world.shows("11")
        assert await world.texts() == [str(number) for number in range(12)]


async def test_expired_token_of_a_verified_user_is_renewed(
    world: World, run_bridge: RunBridge, private_key: str, tmp_path: Path
) -> None:
    key_file = tmp_path / "key.pem"
    key_file.write_text(private_key)
    await run_bridge(IDENTITY_KEY_FILE=str(key_file), IDENTITY_KEY_ID="key-1", IDENTITY_ISSUER=ISSUER)
    await world.start_room()
    await world.assign()
    conversation = await world.served()

    await world.agents.expire_tokens()
    await world.write("Still here")
    await world.agents.say(conversation, "I too")

    await world.hears(conversation, "Still here")
    await world.shows("I too")
    assert len(await world.agents.conversations()) == 1


async def test_expired_token_of_a_guest_starts_another_conversation(world: World, run_bridge: RunBridge) -> None:
    await run_bridge(TEXT_JOINED="")
    await world.start_room("Hello")
    await world.assign()
    first = (await world.conversation())["id"]
    await world.hears(first, "Ada: Hello")

    await world.agents.expire_tokens()
    await world.write("Still here")

    second = (await world.conversation(2))["id"]

    async def has_all() -> bool:  # in the history, or after it
        said = "\n".join(await world.agents.said(second))
        return said.replace("Ada: ", "") == "Hello\nStill here"

    await until(has_all)
    await world.agents.say(second, "Yes")
    await world.shows("Yes")
    assert (await world.room())["status"] == "ASSIGNED"


class TestShortTokens:
    @pytest.fixture
    def options(self, public_key: str) -> Options:
        return Options(public_key=public_key, verified_seconds=2)

    async def test_token_is_renewed_before_its_end(
        self, world: World, run_bridge: RunBridge, private_key: str, tmp_path: Path
    ) -> None:
        key_file = tmp_path / "key.pem"
        key_file.write_text(private_key)
        await run_bridge(IDENTITY_KEY_FILE=str(key_file), IDENTITY_KEY_ID="key-1", IDENTITY_ISSUER=ISSUER)
        await world.start_room()
        await world.assign()
        conversation = await world.served()

        for number in range(5):
            await world.agents.say(conversation, str(number))
            await world.shows(str(number))
            await world.write(f"got {number}")
            await world.hears(conversation, f"got {number}")

        assert (await world.texts())[1:] == [text for number in range(5) for text in (str(number), f"got {number}")]


async def test_bridge_that_starts_late_takes_up_rooms_that_it_serves(world: World, run_bridge: RunBridge) -> None:
    bridge = await run_bridge()
    await bridge.stop()
    await world.start_room("Hello")
    await world.assign()
    await world.write("Anybody?")

    await run_bridge()

    conversation = await world.served()
    await world.write("Now")
    await world.hears(conversation, "Now")
    assert "\n".join(await world.agents.said(conversation)) == "Ada: Hello\nAda: Anybody?\nNow"
