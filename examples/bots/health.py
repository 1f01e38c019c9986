"""Notices that the engine is down, so that visitors do not wait for it, and that it works again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from examples.bots.engine import Engine, EngineFailed, Misconfigured
from switchboard_client import Api, ApiError, ConnectionLost
from switchboard_client.types import AgentStatus

log = logging.getLogger(__name__)

#: The key of the app data of the bot's user that says that this app made the bot NOT_AVAILABLE.
DOWN_KEY = "engine-down"
MARK = """
query BotMark($id: ID!) { result: user(by: {id: $id}) { appData(key: "engine-down") { value } } }"""

#: Takes the ids of the bot's agent and user.
Step: TypeAlias = Callable[[Api, str, str], Awaitable[None]]


class EngineHealth:
    """Counts failures. After several in a row the engine is down: the bot gets no new rooms until a check succeeds."""

    def __init__(self, engine: Engine, *, failures_until_down: int, check_seconds: float) -> None:
        self._engine = engine
        self._failures_until_down = failures_until_down
        self._check_seconds = check_seconds
        self._failures = 0
        self._went_down = asyncio.Event()

    @property
    def is_down(self) -> bool:
        """Whether turns should fail at once."""
        return self._went_down.is_set()

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        if 0 < self._failures_until_down <= self._failures and not self.is_down:
            log.error("%s failed %d times in a row and is regarded as down.", self._engine.name, self._failures)
            self._went_down.set()

    async def check_at_start(self) -> None:
        """Raises Misconfigured. An engine that is unavailable is down."""
        try:
            await self._engine.check()
        except EngineFailed as error:
            log.error("%s is down: %s", self._engine.name, error)
            self._went_down.set()

    async def watch(self, api: Api, *, agent_id: str, user_id: str) -> None:
        """Make the bot NOT_AVAILABLE while the engine is down, and AVAILABLE again after it, for ever."""
        if not self.is_down and await _is_marked(api, user_id):
            await self._repeated(_mark_up, api, agent_id, user_id)  # the last process ended while it was down
        while True:
            await self._went_down.wait()
            await self._repeated(_mark_down, api, agent_id, user_id)
            while not await self._works():  # noqa: ASYNC110 - the engine does not tell
                await asyncio.sleep(self._check_seconds)
            log.info("%s works again.", self._engine.name)
            self._failures = 0
            self._went_down.clear()
            await self._repeated(_mark_up, api, agent_id, user_id)

    async def _works(self) -> bool:
        try:
            await self._engine.check()
        except (EngineFailed, Misconfigured) as error:
            log.info("%s is still down: %s", self._engine.name, error)
            return False
        return True

    async def _repeated(self, step: Step, api: Api, agent_id: str, user_id: str) -> None:
        while True:
            try:
                await step(api, agent_id, user_id)
                return
            except (ApiError, ConnectionLost) as error:
                log.warning("The status of the bot could not be changed: %s", error)
                await asyncio.sleep(self._check_seconds)


async def _mark_down(api: Api, agent_id: str, user_id: str) -> None:
    """Make the bot NOT_AVAILABLE, unless somebody else did."""
    agent = await api.agent(id=agent_id)
    if agent is not None and agent.status == AgentStatus.AVAILABLE:
        await api.set_app_data(of={"userId": user_id}, key=DOWN_KEY, value=True)
        await api.set_agent_status(agent_id=agent_id, status=AgentStatus.NOT_AVAILABLE)


async def _mark_up(api: Api, agent_id: str, user_id: str) -> None:
    """Make the bot AVAILABLE, if this app made it NOT_AVAILABLE."""
    if await _is_marked(api, user_id):
        await api.set_agent_status(agent_id=agent_id, status=AgentStatus.AVAILABLE)
        await api.set_app_data(of={"userId": user_id}, key=DOWN_KEY, value=None)


async def _is_marked(api: Api, user_id: str) -> bool:
    user = await api.query(MARK, {"id": user_id})
    return bool(user and user["appData"])
