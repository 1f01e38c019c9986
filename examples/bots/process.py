"""Runs a bot app until SIGTERM or SIGINT."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from examples.bots.bot import Bot
from examples.bots.engine import Engine, Misconfigured
from examples.bots.health import EngineHealth
from examples.bots.install import install
from examples.bots.rooms import Rooms
from examples.bots.settings import BotSettings
from switchboard_client import ApiError, App, ConnectionLost

log = logging.getLogger(__name__)


async def serve(
    settings: BotSettings,
    engine: Engine,
    *,
    welcome: str | None,
    beside: Callable[[Bot, Rooms], AbstractAsyncContextManager[Any]] | None = None,
    ready: asyncio.Event | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve rooms with this engine until `stop` is set, or SIGTERM or SIGINT comes.

    `beside` makes a context in which the bot serves, such as a web server. Raises Misconfigured.
    """
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    if ready is None:  # otherwise the caller has the signals
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
    health = EngineHealth(
        engine, failures_until_down=settings.failures_until_down, check_seconds=settings.check_seconds
    )
    app = App(
        settings.username,
        url=settings.switchboard_url,
        token=settings.switchboard_token,
        own_events=True,
        handler_seconds=3 * settings.turn_seconds + 60,
        stop_seconds=settings.turn_seconds + 5,
    )
    try:
        await health.check_at_start()
        installed = await install(app, settings)
        rooms = Rooms(app.api, agent_id=installed.agent_id, user_id=installed.user_id)
        bot = Bot(rooms, engine, settings, health, welcome=welcome)
        bot.register(app)
        async with beside(bot, rooms) if beside is not None else nullcontext():
            await _serve(app, health, rooms, stop, ready)
    finally:
        await app.close()
        await engine.aclose()


async def _serve(
    app: App, health: EngineHealth, rooms: Rooms, stop: asyncio.Event, ready: asyncio.Event | None
) -> None:
    serving = asyncio.create_task(app.serve())
    watching = asyncio.create_task(health.watch(app.api, agent_id=rooms.agent_id, user_id=rooms.user_id))
    stopping = asyncio.create_task(stop.wait())
    connected = asyncio.create_task(_announce(app, ready))
    try:
        await asyncio.wait((serving, watching, stopping), return_when=asyncio.FIRST_COMPLETED)
        app.stop()
        await serving
        if watching.done():
            watching.result()  # it ends by an error alone
    finally:
        for task in (watching, stopping, connected):
            task.cancel()
        await asyncio.gather(watching, stopping, connected, return_exceptions=True)


async def _announce(app: App, ready: asyncio.Event | None) -> None:
    await app.ready()
    log.info("The bot reads events as the consumer %s.", app.name)
    if ready is not None:
        ready.set()


def run(main: Callable[[], Any]) -> int:
    """Run the coroutine function of a program, and return its exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        asyncio.run(main())
    except Misconfigured as error:
        print(error, file=sys.stderr)
        return 2
    except (ApiError, ConnectionLost) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
