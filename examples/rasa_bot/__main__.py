"""Runs the Rasa bot: `python -m examples.rasa_bot`. README.md lists its settings."""

import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from examples.bots.bot import Bot
from examples.bots.process import run, serve
from examples.bots.rooms import Rooms
from examples.bots.serving import serving
from examples.bots.settings import BotSettings, Environment
from examples.rasa_bot.callback import CallbackInbox, Message
from examples.rasa_bot.engine import RasaEngine
from examples.rasa_bot.messages import reply_of
from examples.rasa_bot.settings import Channel, RasaSettings, read_settings


async def serve_rasa(settings: BotSettings, rasa: RasaSettings, **options: object) -> None:
    """Serve rooms with a Rasa server."""
    if rasa.channel is Channel.REST:
        await serve(settings, RasaEngine(rasa), welcome=rasa.welcome, **options)  # type: ignore[arg-type]
        return
    inbox = CallbackInbox(rasa.callback_secret)

    @asynccontextmanager
    async def receive_callbacks(bot: Bot, rooms: Rooms) -> AsyncIterator[None]:
        async def say(room_id: str, message: Message) -> None:
            reply = reply_of(message)
            if not reply.is_empty:
                await bot.say_unasked(room_id, lambda: rooms.say(room_id, reply, f"unasked:{uuid.uuid4()}"))

        inbox.on_unasked = say
        async with serving(inbox, rasa.callback_host, rasa.callback_port):
            yield

    await serve(settings, RasaEngine(rasa, inbox), welcome=rasa.welcome, beside=receive_callbacks, **options)  # type: ignore[arg-type]


async def main() -> None:
    await serve_rasa(*read_settings(Environment()))


if __name__ == "__main__":
    sys.exit(run(main))
