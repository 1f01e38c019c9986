"""The Rasa bot is killed and started again: no message of a visitor is lost, doubled or reordered."""

import asyncio
import random

from examples.rasa_bot.stand_in import rasa_stand_in
from tests.client.support import until
from tests.examples.bots.support import BotProcess, deployment

MODULE = "examples.rasa_bot"
HELLO = "Hello! What can I do for you?"


async def test_a_turn_whose_answer_was_lost_is_read_from_the_tracker_and_not_sent_again(shared_url: str) -> None:
    async with deployment(shared_url) as company, rasa_stand_in(token="a-token") as (rasa, url):
        settings = company.environment(RASA_URL=url, RASA_TOKEN="a-token", BOT_TURN_SECONDS="60")
        with BotProcess(MODULE, settings) as process:
            await process.started(company)
            room = await company.start_room()
            await room.say("hello")
            await room.until_bot_said(HELLO)
            rasa.answers.clear()
            await room.say("track a parcel")
            await until(lambda: rasa.user_texts(room.id) == ["hello", "track a parcel"])
            await room.say("4711")
            process.kill()
        rasa.answers.set()
        assert await room.bot_said() == [HELLO]
        with BotProcess(MODULE, settings):
            await room.until_bot_said(
                HELLO, "I can look that up.", "What is the number of your parcel?", "Parcel 4711 arrives tomorrow."
            )
        # The bot also gets rooms that other tests left in the queue.
        received = [(sender, text) for sender, text in rasa.received if sender == room.id]
        assert received == [(room.id, "hello"), (room.id, "track a parcel"), (room.id, "4711")]


async def test_however_often_the_bot_is_killed_every_message_is_answered_once_and_in_order(shared_url: str) -> None:
    chance = random.Random(14)
    async with deployment(shared_url) as company, rasa_stand_in() as (rasa, url):
        settings = company.environment(RASA_URL=url, BOT_TURN_SECONDS="3", BOT_MAX_FALLBACKS="0")
        process = BotProcess(MODULE, settings)
        try:
            await process.started(company)
            rooms = [await company.start_room() for _ in range(3)]
            texts = [f"message {number}" for number in range(4)]
            for text in texts:
                for room in rooms:
                    await room.say(text)
                await until(lambda: len(rasa.received) > chance.randrange(1, 6))
                await asyncio.sleep(chance.random() / 10)  # a random moment of a turn
                if text != texts[-1]:
                    process.kill()
                    process = BotProcess(MODULE, settings)
            for room in rooms:
                await room.until_bot_said(*["Sorry, I did not understand that."] * len(texts))
                assert rasa.user_texts(room.id) == texts
            assert process.terminate() == 0
        finally:
            process.kill()
        for room in rooms:
            assert [text for text in await room.said() if text.startswith("VISITOR")] == [
                f"VISITOR: {t}" for t in texts
            ]


async def test_what_the_bot_was_asked_when_it_got_a_room_is_answered_after_a_kill(shared_url: str) -> None:
    async with deployment(shared_url) as company, rasa_stand_in() as (rasa, url):
        settings = company.environment(RASA_URL=url, RASA_WELCOME="/greet", BOT_TURN_SECONDS="8")
        rasa.gate.clear()
        with BotProcess(MODULE, settings) as process:
            await process.started(company)
            welcomed = await company.start_room()
            waiting = await company.start_room("Support")
            await waiting.say("hello")
            user = await company.api.user(by={"username": f"bot-{company.suffix}"})
            assert user is not None
            await company.api.assign_agent(room_id=waiting.id, agent_id=user.id)
            await until(lambda: sorted(text for _, text in rasa.received) == ["/greet", "hello"])
            process.kill()
        rasa.gate.set()
        with BotProcess(MODULE, settings):
            for room in (welcomed, waiting):
                await room.until_bot_said(HELLO)
