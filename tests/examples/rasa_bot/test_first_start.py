"""The first start of a bot: its consumer exists before the bot can get a room."""

import asyncio

import pytest

from examples.bots.settings import Environment
from examples.rasa_bot.__main__ import serve_rasa
from examples.rasa_bot.settings import read_settings
from examples.rasa_bot.stand_in import rasa_stand_in
from switchboard_client import App
from tests.examples.bots.support import Conversation, deployment, running


async def test_room_assigned_after_the_set_up_is_greeted_although_the_first_start_is_killed_before_it_reads_events(
    shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms: list[Conversation] = []
    async with deployment(shared_url) as company, rasa_stand_in() as (_, url):
        settings, rasa = read_settings(Environment(company.environment(RASA_URL=url, RASA_WELCOME="/greet")))

        async def die(app: App) -> None:
            rooms.append(await company.start_room())
            await rooms[0].until_served_by((await company.bot()).id)
            raise SystemError("killed")

        with monkeypatch.context() as patch:
            patch.setattr(App, "serve", die)
            with pytest.raises(SystemError, match="killed"):
                await serve_rasa(settings, rasa, ready=asyncio.Event(), stop=asyncio.Event())

        async with running(lambda ready, stop: serve_rasa(settings, rasa, ready=ready, stop=stop)):
            await rooms[0].until_bot_said("Hello! What can I do for you?")
