"""The Rasa bot serves rooms: it greets, offers choices, counts fallbacks, and hands over to people."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from examples.bots.rooms import Rooms
from examples.bots.settings import Environment
from examples.rasa_bot.__main__ import serve_rasa
from examples.rasa_bot.settings import read_settings
from examples.rasa_bot.stand_in import RasaStandIn, rasa_stand_in
from switchboard_client import ConnectionLost
from switchboard_client.types import AgentStatus
from tests.examples.bots.support import Deployment, deployment, eventually, running, staff_notes

HELLO = "Hello! What can I do for you?"
NOT_UNDERSTOOD = "Sorry, I did not understand that."


@pytest.fixture
async def company(shared_url: str) -> AsyncIterator[Deployment]:
    async with deployment(shared_url) as made:
        yield made


@asynccontextmanager
async def bot(company: Deployment, url: str, **settings: str) -> AsyncIterator[None]:
    environment = company.environment(RASA_URL=url, RASA_WELCOME="/greet", **settings)
    bot_settings, rasa = read_settings(Environment(environment))
    async with running(lambda ready, stop: serve_rasa(bot_settings, rasa, ready=ready, stop=stop)):
        yield


@pytest.fixture
async def rasa() -> AsyncIterator[tuple[RasaStandIn, str]]:
    async with rasa_stand_in() as made:
        yield made


async def test_the_bot_greets_and_the_choice_of_a_button_reaches_it_as_its_payload(
    company: Deployment, rasa: tuple[RasaStandIn, str]
) -> None:
    stand_in, url = rasa
    async with bot(company, url):
        room = await company.start_room()
        await room.until_bot_said(HELLO)
        (greeting,) = await room.messages()
        assert greeting["choices"] == [
            {"id": "/track", "label": "Track a parcel", "url": None},
            {"id": "/request_human", "label": "Talk to a person", "url": None},
        ]
        await room.say("", choice={"messageId": greeting["id"], "choiceId": "/track"})
        await room.until_bot_said(HELLO, "I can look that up.", "What is the number of your parcel?")
        await room.say("4711")
        await eventually(
            room.said,
            [
                f"USER: {HELLO}",
                "VISITOR: Track a parcel",
                "USER: I can look that up.",
                "USER: What is the number of your parcel?",
                "VISITOR: 4711",
                "USER: Parcel 4711 arrives tomorrow.",
            ],
        )
    assert stand_in.user_texts(room.id) == ["/greet", "/track", "4711"]
    # The bot also gets rooms that other tests left in the queue.
    received = [(sender, text) for sender, text in stand_in.received if sender == room.id]
    assert received == [(room.id, "/greet"), (room.id, "/track"), (room.id, "4711")]


async def test_after_three_fallbacks_in_a_row_a_person_gets_the_room_without_the_last_one(
    company: Deployment, rasa: tuple[RasaStandIn, str]
) -> None:
    nora = await company.add_person("Support")
    async with bot(company, rasa[1]):
        room = await company.start_room()
        await room.until_bot_said(HELLO)
        for text in ("Hm?", "track a parcel", "What?", "Really?", "No!"):
            await room.say(text)
        await room.until_served_by(nora)
    assert await room.bot_said() == [
        HELLO,
        NOT_UNDERSTOOD,
        "I can look that up.",
        "What is the number of your parcel?",
        NOT_UNDERSTOOD,
        NOT_UNDERSTOOD,
        "I am passing you on to a colleague.",
    ]
    (note,) = staff_notes(await room.messages())
    assert note.splitlines() == [
        "Handed over by Assistant (Rasa): the bot did not understand the visitor several times.",
        "Visitor: Ada Park",
        "Intent: nlu_fallback",
        "The visitor's last messages:",
        "- Hm?",
        "- track a parcel",
        "- What?",
        "- Really?",
        "- No!",
    ]
    assert (await room.room()).custom_field("botFallbacks") == 3


async def test_a_custom_payload_names_the_department_and_the_bot_announces_the_hand_over_itself(
    company: Deployment, rasa: tuple[RasaStandIn, str]
) -> None:
    bill = await company.add_person("Billing")
    rasa[0].billing_department = f"Billing {company.suffix}"
    async with bot(company, rasa[1], BOT_HANDOVER_DEPARTMENT=""):
        room = await company.start_room()
        await room.until_bot_said(HELLO)
        await room.say("Billing")
        await room.until_served_by(bill)
    assert (await room.bot_said())[1:] == ["That is for my colleagues of Billing."]
    assert "Note of the bot: The customer asks about an invoice." in staff_notes(await room.messages())[0]


async def test_if_nobody_is_there_the_bot_keeps_the_room_and_goes_on(
    company: Deployment, rasa: tuple[RasaStandIn, str]
) -> None:
    async with bot(company, rasa[1]):
        room = await company.start_room()
        await room.until_bot_said(HELLO)
        served_by = await room.server()
        await room.say("Talk to a person")
        await room.say("track a parcel")
        await room.until_bot_said(
            HELLO,
            "I will get a colleague for you.",
            "Nobody is available right now. I can go on helping you.",
            "I can look that up.",
            "What is the number of your parcel?",
        )
        assert await room.server() == served_by
    assert staff_notes(await room.messages()) == []


async def test_a_room_in_the_queue_returns_to_the_bot_once_and_the_bot_answers_what_was_said_meanwhile(
    company: Deployment, rasa: tuple[RasaStandIn, str]
) -> None:
    settings = {"BOT_WHEN_NOBODY": "queue", "BOT_WAIT_SECONDS": "1", "BOT_AFTER_WAIT": "return"}
    async with bot(company, rasa[1], **settings):
        room = await company.start_room()
        await room.until_bot_said(HELLO)
        served_by = await room.server()
        await room.say("Talk to a person")
        queued = "Nobody is available right now. Your message is in the queue, and somebody will answer."
        await room.until_bot_has_said(queued)
        await room.say("track a parcel")
        returned = "Nobody could take your conversation yet. I can go on helping you."
        await room.until_bot_said(
            HELLO,
            "I will get a colleague for you.",
            queued,
            returned,
            "I can look that up.",
            "What is the number of your parcel?",
        )
        assert await room.server() == served_by
        await room.say("Talk to a person")
        await room.until_served_by(None)  # this time it waits for a person
        nora = await company.add_person("Support")
        await room.until_served_by(nora)
    assert (await room.bot_said()).count(returned) == 1


async def test_a_return_to_the_bot_that_fails_is_tried_again(
    company: Deployment, rasa: tuple[RasaStandIn, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    take_back, failures = Rooms.take_back, [ConnectionLost("a cut")]

    async def fail_once(self: Rooms, room_id: str, key: str) -> None:
        if failures:
            raise failures.pop()
        await take_back(self, room_id, key)

    monkeypatch.setattr(Rooms, "take_back", fail_once)
    settings = {"BOT_WHEN_NOBODY": "queue", "BOT_WAIT_SECONDS": "1", "BOT_AFTER_WAIT": "return"}
    async with bot(company, rasa[1], **settings):
        room = await company.start_room()
        await room.until_bot_said(HELLO)
        served_by = await room.server()
        await room.say("Talk to a person")
        returned = "Nobody could take your conversation yet. I can go on helping you."
        await room.until_bot_has_said(returned)
        await room.until_served_by(served_by)
        assert (await room.bot_said())[-1] == returned


async def test_no_bot_gets_a_room_by_routing_that_was_handed_over_until_a_person_has_served_it(
    company: Deployment, rasa: tuple[RasaStandIn, str]
) -> None:
    reception = f"Reception {company.suffix}"
    both = {"BOT_DEPARTMENTS": f"{reception}, Support {company.suffix}", "BOT_WHEN_NOBODY": "queue"}
    async with bot(company, rasa[1], **both):
        room = await company.start_room()
        await room.until_bot_said(HELLO)
        bot_agent = await room.server()
        await room.say("Talk to a person")
        await room.until_served_by(None)  # the bot serves Support, too, and does not get it
        nora = await company.add_person("Support")
        await room.until_served_by(nora)
        await eventually(lambda: filter_of(room.api, room.id), None)
        await company.api.set_agent_status(agent_id=nora, status=AgentStatus.NOT_AVAILABLE)
        await company.api.unassign_agent(room_id=room.id)
        await room.until_served_by(bot_agent)


async def filter_of(api: object, room_id: str) -> object:
    query = "query Filter($id: ID!) { result: room(by: {id: $id}) { agentFilter } }"
    return (await api.query(query, {"id": room_id}))["agentFilter"]  # type: ignore[attr-defined]


async def test_an_engine_that_is_down_makes_people_take_over_and_the_bot_gets_no_rooms_until_it_works(
    company: Deployment, rasa: tuple[RasaStandIn, str]
) -> None:
    stand_in, url = rasa
    nora = await company.add_person("Support")
    async with bot(company, url, BOT_FAILURES_UNTIL_DOWN="1", BOT_CHECK_SECONDS="0.2"):
        room = await company.start_room()
        await room.until_bot_said(HELLO)
        bot_agent = await room.server()
        stand_in.broken = True
        await room.say("track a parcel")
        await room.until_served_by(nora)
        assert (await room.bot_said())[1:] == ["I have a technical problem and am passing you on to a colleague."]
        await eventually(lambda: status_of(company, bot_agent), "NOT_AVAILABLE")
        stand_in.broken = False
        await eventually(lambda: status_of(company, bot_agent), "AVAILABLE")


async def status_of(company: Deployment, agent_id: str | None) -> str:
    agent = await company.api.agent(id=str(agent_id))
    assert agent is not None
    return str(agent.status)


async def test_a_failure_inside_the_engine_and_nobody_there_does_not_move_the_room(
    company: Deployment, rasa: tuple[RasaStandIn, str]
) -> None:
    async with bot(company, rasa[1], BOT_FAILURES_UNTIL_DOWN="0"):
        room = await company.start_room()
        await room.until_bot_said(HELLO)
        served_by = await room.server()
        technical = "I have a technical problem, and nobody is available right now. Please try again later."
        await room.say("crash")
        await room.until_bot_said(HELLO, technical)
        await room.say("bye")
        await room.until_bot_said(HELLO, technical, "Goodbye!")
        await eventually(lambda: closed(room), True)
        assert (await room.room()).served_by is None or await room.server() == served_by
    assert rasa[0].user_texts(room.id) == ["/greet", "bye"]


async def closed(room: object) -> bool:
    return bool((await room.room()).status == "CLOSED")  # type: ignore[attr-defined]


async def test_over_the_callback_channel_the_bot_also_speaks_unasked_but_only_while_it_serves_the_room(
    company: Deployment, rasa: tuple[RasaStandIn, str]
) -> None:
    stand_in, url = rasa
    nora = await company.add_person("Support")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    stand_in.callback_url = f"http://127.0.0.1:{port}/callback/a-secret"
    callback = {"RASA_CHANNEL": "callback", "RASA_CALLBACK_PORT": port, "RASA_CALLBACK_SECRET": "a-secret"}
    async with bot(company, url, **callback):
        room = await company.start_room()
        await room.until_bot_said(HELLO)
        assert await stand_in.say(room.id, "Are you still there?") == 200
        await room.say("Talk to a person")
        await room.until_served_by(nora)
        assert await stand_in.say(room.id, "This comes too late.") == 200
        stand_in.callback_url = f"http://127.0.0.1:{port}/callback/a-guess"
        assert await stand_in.say(room.id, "This is not Rasa's.") == 404
    assert await room.bot_said() == [HELLO, "Are you still there?", "I will get a colleague for you."]
