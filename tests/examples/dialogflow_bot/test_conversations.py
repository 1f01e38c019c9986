"""The Dialogflow bot serves rooms with agents of ES and CX, through Google's own clients."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from examples.bots.process import serve
from examples.bots.settings import Environment
from examples.dialogflow_bot.__main__ import engine_for
from examples.dialogflow_bot.settings import read_settings
from examples.dialogflow_bot.stand_in.server import DialogflowStandIn, dialogflow_stand_in
from tests.client.support import until
from tests.examples.bots.support import BotProcess, Conversation, Deployment, deployment, running, staff_notes

ES = "projects/parcels/agent"
CX = "projects/parcels/locations/europe-west1/agents/0f0e0d0c"
HELLO = ("Hello! What can I do for you?", "Choose:")


@pytest.fixture
async def company(shared_url: str) -> AsyncIterator[Deployment]:
    async with deployment(shared_url) as made:
        yield made


@pytest.fixture
async def google() -> AsyncIterator[tuple[DialogflowStandIn, str]]:
    async with dialogflow_stand_in() as made:
        yield made


def environment(company: Deployment, agent: str, address: str, **settings: str) -> dict[str, str]:
    return company.environment(
        DIALOGFLOW_AGENT=agent,
        DIALOGFLOW_INSECURE_ENDPOINT=address,
        DIALOGFLOW_WELCOME_EVENT="WELCOME",
        **settings,
    )


@asynccontextmanager
async def bot(company: Deployment, agent: str, address: str, **settings: str) -> AsyncIterator[None]:
    bot_settings, dialogflow = read_settings(Environment(environment(company, agent, address, **settings)))
    async with running(
        lambda ready, stop: serve(
            bot_settings, engine_for(dialogflow), welcome=dialogflow.welcome_event, ready=ready, stop=stop
        )
    ):
        yield


@pytest.mark.parametrize("agent", [ES, CX], ids=["es", "cx"])
async def test_a_conversation_from_the_greeting_to_the_hand_over(
    company: Deployment, google: tuple[DialogflowStandIn, str], agent: str
) -> None:
    stand_in, address = google
    nora = await company.add_person("Support")
    async with bot(company, agent, address):
        room = await company.start_room()
        await room.until_bot_said(*HELLO)
        menu = (await room.messages())[1]
        assert [choice["label"] for choice in menu["choices"]] == ["Track a parcel", "Talk to a person"]
        await room.say("", choice={"messageId": menu["id"], "choiceId": menu["choices"][0]["id"]})
        await room.say("4711")
        number = ("What is the number of your parcel?", "Parcel 4711 arrives tomorrow.")
        await room.until_bot_said(*HELLO, *number)
        await room.say("Talk to a person")
        await room.until_served_by(nora)
    assert await room.bot_said() == [*HELLO, *number, "I will get a colleague for you."]
    assert stand_in.processed(room.id) == ["WELCOME", "Track a parcel", "4711", "Talk to a person"]
    (note,) = staff_notes(await room.messages())
    assert "Intent: Talk to a person" in note.splitlines()


@pytest.mark.parametrize("agent", [ES, CX], ids=["es", "cx"])
async def test_fallbacks_hand_over_without_the_last_one_and_the_end_of_the_conversation_closes_the_room(
    company: Deployment, google: tuple[DialogflowStandIn, str], agent: str
) -> None:
    nora = await company.add_person("Support")
    async with bot(company, agent, google[1], BOT_MAX_FALLBACKS="2", BOT_TEXT_HAND_OVER="One moment, please."):
        room = await company.start_room()
        other = await company.start_room()
        for text in ("Hm?", "What?"):
            await room.say(text)
        await room.until_served_by(nora)
        await other.say("Goodbye")
        await other.until_bot_said(*HELLO, "Goodbye!")
        await until(lambda: is_closed(other))
    assert await room.bot_said() == [*HELLO, "Sorry, I did not understand that.", "One moment, please."]


async def is_closed(room: Conversation) -> bool:
    return bool((await room.room()).status == "CLOSED")


async def test_a_call_that_google_may_have_processed_is_not_repeated_and_a_person_takes_over(
    company: Deployment, google: tuple[DialogflowStandIn, str]
) -> None:
    stand_in, address = google
    nora = await company.add_person("Support")
    async with bot(company, ES, address):
        room = await company.start_room()
        await room.until_bot_said(*HELLO)
        stand_in.refusals.append(grpc.StatusCode.UNAVAILABLE)
        calls = len(stand_in.requests)
        await room.say("Track a parcel")
        await room.until_served_by(nora)
    assert len(stand_in.requests) == calls + 1
    assert (await room.bot_said())[2:] == ["I have a technical problem and am passing you on to a colleague."]


async def test_a_call_that_was_refused_for_the_quota_is_repeated(
    company: Deployment, google: tuple[DialogflowStandIn, str]
) -> None:
    stand_in, address = google
    async with bot(company, CX, address):
        room = await company.start_room()
        await room.until_bot_said(*HELLO)
        stand_in.refusals.append(grpc.StatusCode.RESOURCE_EXHAUSTED)
        await room.say("Track a parcel")
        await room.until_bot_said(*HELLO, "What is the number of your parcel?")
    assert stand_in.processed(room.id) == ["WELCOME", "Track a parcel"]


@pytest.mark.parametrize("agent", [ES, CX], ids=["es", "cx"])
async def test_the_bot_is_killed_while_google_processes_a_message(
    company: Deployment, google: tuple[DialogflowStandIn, str], agent: str
) -> None:
    """ES: its session is set back and the message sent again. CX: the visitor is asked to send it again."""
    stand_in, address = google
    settings = environment(company, agent, address)
    with BotProcess("examples.dialogflow_bot", settings) as process:
        await process.started(company)
        room = await company.start_room()
        await room.until_bot_said(*HELLO)
        await room.say("Track a parcel")
        await room.until_bot_said(*HELLO, "What is the number of your parcel?")
        stand_in.gate.clear()
        await room.say("4711")
        await until(lambda: stand_in.processed(room.id)[-1] == "4711")
        process.kill()
    stand_in.gate.set()
    async with bot(company, agent, address):
        if agent == ES:
            await room.until_bot_said(*HELLO, "What is the number of your parcel?", "Parcel 4711 arrives tomorrow.")
            last = stand_in.requests[-1]["queryParams"]
            assert last["resetContexts"] is True
            assert [one["name"].rpartition("/")[2] for one in last["contexts"]] == ["awaiting_number"]
        else:
            await room.until_bot_said(
                *HELLO,
                "What is the number of your parcel?",
                "I was interrupted. Please send your last message again.",
            )
            assert stand_in.processed(room.id) == ["WELCOME", "Track a parcel", "4711"]
