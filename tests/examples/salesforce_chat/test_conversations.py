"""A room and a conversation at Salesforce: start, both directions, transfer, and end."""

import asyncio
from pathlib import Path

from examples.salesforce_chat.stand_in.app import ISSUER
from switchboard_client.inputs import MessageSenderInput
from switchboard_client.types import FieldTarget, FieldType, Signal, SignalKind
from tests.client.support import until
from tests.examples.salesforce_chat.conftest import RunBridge
from tests.examples.salesforce_chat.world import World


async def test_assigned_room_becomes_a_conversation_with_prechat_and_history(
    world: World, run_bridge: RunBridge
) -> None:
    key = f"case{world.agent[3:]}"
    await world.admin.define_custom_field(target=FieldTarget.ROOM, key=key, type=FieldType.NUMBER)
    prechat = f"Case=room.customFields.{key}, Mail=visitor.email, Phone=visitor.phone, Subject=room.subject"
    await run_bridge(PRECHAT=prechat)
    await world.start_room("My parcel is lost.", "Hello?", custom_fields=[{"key": key, "value": 17}])

    await world.assign()

    conversation = await world.served()
    created = await world.conversation()
    assert created["attributes"] == {"Case": "17", "Mail": "ada@example.org", "Subject": "Parcel"}
    assert await world.agents.said(conversation) == ["Ada: My parcel is lost.\nAda: Hello?"]
    assert await world.texts() == ["My parcel is lost.", "Hello?", "Sasha joined the conversation."]


async def test_room_without_messages_starts_without_history(world: World, run_bridge: RunBridge) -> None:
    await run_bridge(TEXT_JOINED="{agent} is here.")
    await world.start_room()

    await world.assign()

    conversation = await world.served()
    assert await world.agents.said(conversation) == []
    assert await world.texts() == ["Sasha is here."]


async def test_history_has_files_and_the_beginning_of_a_message_that_is_too_long(
    world: World, run_bridge: RunBridge
) -> None:
    await run_bridge(TEXT_JOINED="")
    await world.start_room("Before", "x" * 9_000)
    await world.admin.send_message(
        room_id=world.room_id,
        text="",
        as_={"visitorToken": world.visitor},
        attachments=[{"name": "box.png", "mimeType": "image/png", "url": "https://example.org/box.png"}],
    )

    await world.assign()

    conversation = (await world.conversation())["id"]
    file = "Ada: box.png: https://example.org/box.png"
    await world.hears(conversation, f"Ada: {'x' * (8_000 - len(file) - 1 - len('Ada: …'))}…\n{file}")


async def test_blank_message_of_an_agent_does_not_hold_up_the_next_one(world: World, run_bridge: RunBridge) -> None:
    await run_bridge(TEXT_JOINED="")
    await world.start_room()
    await world.assign()
    conversation = (await world.conversation())["id"]

    await world.agents.say(conversation, " ")
    await world.agents.say(conversation, "Good morning.")

    await world.shows("Good morning.")
    assert await world.texts() == ["Good morning."]


async def test_messages_go_both_ways_with_names_and_receipts(world: World, run_bridge: RunBridge) -> None:
    await run_bridge(TEXT_JOINED="")
    await world.start_room()
    await world.assign()
    conversation = (await world.conversation())["id"]

    entry = await world.agents.say(conversation, "Good morning.")
    await world.shows("Good morning.")
    for text in ("One", "Two", "Three"):
        await world.write(text)
    await world.hears(conversation, "Three")

    assert await world.agents.said(conversation) == ["One", "Two", "Three"]
    message = (await world.messages())[0]
    assert (message["text"], message["sender"]["type"], message["data"]) == (
        "Good morning.",
        "USER",
        {
            "salesforceEntry": entry,
            "salesforceConversation": conversation,
            "agentName": "Sasha",
            "role": "Agent",
        },
    )
    receipt = await world.has_entry(conversation, "DeliveryAcknowledgement", "EndUser")
    assert receipt["relatedRecords"] == [entry]


async def test_staff_notes_and_agents_messages_stay_in_the_room(world: World, run_bridge: RunBridge) -> None:
    await run_bridge(TEXT_JOINED="")
    await world.start_room()
    await world.assign()
    conversation = (await world.conversation())["id"]

    await world.admin.send_message(room_id=world.room_id, text="A message of another app")
    await world.write("Hello")

    await world.hears(conversation, "Hello")
    assert await world.agents.said(conversation) == ["Hello"]


async def test_choices_become_choices_of_the_room(world: World, run_bridge: RunBridge) -> None:
    await run_bridge(TEXT_JOINED="")
    await world.start_room()
    await world.assign()
    conversation = (await world.conversation())["id"]

    await world.agents.offer(conversation, "Which?", ["Red", "Blue"])

    await world.shows("Which?")
    assert [choice["label"] for choice in (await world.messages())[0]["choices"]] == ["Red", "Blue"]


async def test_typing_and_reading_are_signalled_both_ways(world: World, run_bridge: RunBridge) -> None:
    await run_bridge()
    await world.start_room()
    await world.assign()
    conversation = await world.served()
    entry = await world.agents.say(conversation, "Good morning.")
    await world.shows("Good morning.")
    written = await world.write("Hello")
    await world.hears(conversation, "Hello")
    shown = (await world.messages())[1]["id"]
    visitor: MessageSenderInput = {"visitorToken": world.visitor}

    async def passed_on() -> bool:
        await world.admin.send_signal(room_id=world.room_id, kind=SignalKind.TYPING, as_=visitor)
        await world.admin.send_signal(room_id=world.room_id, kind=SignalKind.READ, as_=visitor, message_id=shown)
        entries = (await world.conversation())["entries"]
        kinds = {entry["entryType"] for entry in entries if entry["sender"]["role"] == "EndUser"}
        return {"TypingStartedIndicator", "ReadAcknowledgement"} <= kinds

    await until(passed_on)
    assert (await world.has_entry(conversation, "ReadAcknowledgement", "EndUser"))["relatedRecords"] == [entry]

    at_salesforce = (await world.has_entry(conversation, "Message", "EndUser"))["identifier"]
    received: list[Signal] = []

    async def receive() -> None:
        async for signal in world.admin.signals_live(where={"ids": [world.room_id]}):
            received.append(signal)  # noqa: PERF401 (it does not end)

    async def signalled() -> bool:
        await world.agents.type(conversation)
        await world.agents.read(conversation, at_salesforce)
        return {SignalKind.TYPING, SignalKind.READ} <= {signal.kind for signal in received}

    receiving = asyncio.create_task(receive())
    await until(signalled)
    receiving.cancel()
    await asyncio.gather(receiving, return_exceptions=True)
    assert {signal.message_id for signal in received if signal.kind == SignalKind.READ} == {written}


async def test_transfer_at_salesforce_is_told_to_the_visitor(world: World, run_bridge: RunBridge) -> None:
    await run_bridge()
    await world.start_room()
    await world.assign()
    conversation = await world.served()

    await world.agents.transfer(conversation, "Robin")
    await world.agents.say(conversation, "I take over.")

    await world.shows("I take over.")
    assert await world.texts() == ["Sasha joined the conversation.", "Robin joined the conversation.", "I take over."]
    assert (await world.messages())[-1]["data"]["agentName"] == "Robin"


async def test_end_at_salesforce_closes_the_room(world: World, run_bridge: RunBridge) -> None:
    await run_bridge(TEXT_ENDED="Goodbye.")
    await world.start_room()
    await world.assign()
    conversation = await world.served()

    await world.agents.say(conversation, "That was all.")
    await world.agents.end(conversation)

    room = await world.becomes("CLOSED")
    assert room["closeComment"] == "Salesforce ended the session."
    assert (await world.texts())[1:] == ["That was all.", "Goodbye."]
    await world.is_closed()


async def test_end_at_salesforce_gives_the_room_back_if_set_so(world: World, run_bridge: RunBridge) -> None:
    await run_bridge(WHEN_ENDED="queue")
    await world.start_room()
    await world.assign()

    await world.agents.end(await world.served())

    assert (await world.becomes("QUEUED"))["passedOver"] == [{"user": {"username": world.agent}}]
    await world.is_closed()


async def test_end_in_switchboard_closes_the_conversation(world: World, run_bridge: RunBridge) -> None:
    await run_bridge()
    await world.start_room()
    await world.assign()
    conversation = await world.served()

    await world.write("Goodbye")
    await world.admin.close_room(room_id=world.room_id)

    await world.is_closed()
    assert await world.agents.said(conversation) == ["Goodbye"]


async def test_room_that_returns_gets_another_conversation(world: World, run_bridge: RunBridge) -> None:
    await run_bridge()
    await world.start_room("First")
    await world.assign()
    first = await world.served()
    await world.agents.say(first, "Hello Ada")
    await world.shows("Hello Ada")
    await world.admin.unassign_agent(room_id=world.room_id)
    await world.write("Between")

    await world.assign()

    second = await world.served(2)
    await world.write("Second")
    await world.hears(second, "Second")
    assert await world.agents.said(first) == ["Ada: First"]
    assert await world.agents.said(second) == ["Ada: First\nSasha: Hello Ada\nAda: Between", "Second"]


async def test_verified_user_is_the_same_in_every_conversation(
    world: World, run_bridge: RunBridge, private_key: str, tmp_path: Path
) -> None:
    key_file = tmp_path / "key.pem"
    key_file.write_text(private_key)
    await run_bridge(IDENTITY_KEY_FILE=str(key_file), IDENTITY_KEY_ID="key-1", IDENTITY_ISSUER=ISSUER)
    await world.start_room()
    await world.assign()
    await world.served()
    await world.admin.unassign_agent(room_id=world.room_id)
    await world.assign()
    await world.served(2)

    first, second = await world.agents.conversations()

    assert first["subject"] == second["subject"]
    assert first["subject"].startswith("user:switchboard-vis_")
