"""A deployment with departments and a person, visitors of it, and bots that serve in it."""

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from examples.bots.install import SCOPES
from switchboard_client import Api, Transport
from switchboard_client.types import AgentSummary, Audience, Presence, Room
from tests.client.support import PATIENCE_SECONDS, until
from tests.conftest import ADMIN_TOKEN
from tests.processes import ROOT

TRANSCRIPT = """
query Transcript($id: ID!) { result: room(by: {id: $id}) { messages(first: 200) { nodes {
  id number text audience sender { type name } choices { id label url } choice { choiceId }
} } } }"""


class Deployment:
    """The departments Reception, which the bot serves, Support and Billing, each with a suffix of its own."""

    def __init__(self, api: Api, url: str) -> None:
        self.api = api
        self.url = url
        self.suffix = secrets.token_hex(4)
        self.departments: dict[str, str] = {}
        self.bot_token = ""

    async def prepare(self) -> None:
        for name in ("Reception", "Support", "Billing"):
            created = await self.api.create_department(name=f"{name} {self.suffix}")
            self.departments[name] = created.department.id
        self.bot_token = (await self.api.create_app(name=f"bot-{self.suffix}", scopes=SCOPES)).token

    def environment(self, **settings: str) -> dict[str, str]:
        """The settings of a bot that serves Reception and hands over to Support."""
        return {
            "SWITCHBOARD_URL": self.url,
            "SWITCHBOARD_TOKEN": self.bot_token,
            "BOT_USERNAME": f"bot-{self.suffix}",
            "BOT_DEPARTMENTS": f"Reception {self.suffix}",
            "BOT_HANDOVER_DEPARTMENT": f"Support {self.suffix}",
            "BOT_TURN_SECONDS": "30",
            **settings,
        }

    async def add_person(self, department: str, *, name: str = "nora") -> str:
        """The id of a person who is available in this department."""
        user = (await self.api.create_user(username=f"{name}-{secrets.token_hex(4)}")).user
        agent = await self.api.add_agent(user_id=user.id, department_ids=[self.departments[department]])
        await self.api.set_presence(user_id=user.id, presence=Presence.ONLINE)
        return agent.agent.id

    async def bot(self) -> AgentSummary:
        user = await self.api.user(by={"username": f"bot-{self.suffix}"})
        assert user is not None
        assert user.agent is not None
        return user.agent

    async def start_room(self, department: str = "Reception") -> "Conversation":
        token = f"visitor-{secrets.token_hex(6)}"
        await self.api.save_visitor(token=token, name="Ada Park")
        started = await self.api.start_room(visitor_token=token, department_id=self.departments[department])
        return Conversation(self.api, started.room.id, token)


class Conversation:
    """A room, as its visitor and a test see it."""

    def __init__(self, api: Api, room_id: str, token: str) -> None:
        self.api = api
        self.id = room_id
        self.token = token

    async def say(self, text: str, **options: Any) -> str:
        sent = await self.api.send_message(room_id=self.id, text=text, as_={"visitorToken": self.token}, **options)
        return sent.message.id

    async def room(self) -> Room:
        room = await self.api.room(by={"id": self.id})
        assert room is not None
        return room

    async def server(self) -> str | None:
        served_by = (await self.room()).served_by
        return served_by.id if served_by is not None else None

    async def messages(self) -> list[Any]:
        return list((await self.api.query(TRANSCRIPT, {"id": self.id}))["messages"]["nodes"])

    async def said(self, *, audience: str = "EVERYONE") -> list[str]:
        """The texts of the messages for this audience, with the kind of sender."""
        return [
            f"{one['sender']['type']}: {one['text']}" for one in await self.messages() if one["audience"] == audience
        ]

    async def bot_said(self) -> list[str]:
        return [
            one["text"]
            for one in await self.messages()
            if one["audience"] == "EVERYONE" and one["sender"]["type"] != "VISITOR"
        ]

    async def until_bot_said(self, *texts: str) -> None:
        """Wait until the bot has said exactly this."""
        await eventually(self.bot_said, list(texts))

    async def until_bot_has_said(self, text: str) -> None:
        """Wait until the bot has said this, among other things."""

        async def has_said() -> bool:
            return text in await self.bot_said()

        await until(has_said)

    async def until_served_by(self, agent_id: str | None) -> None:
        await eventually(self.server, agent_id)


async def eventually(read: Callable[[], Awaitable[Any]], expected: Any) -> None:
    """Wait until `read` returns this value. The failure shows the last one."""
    last: Any = None

    async def holds() -> bool:
        nonlocal last
        last = await read()
        return bool(last == expected)

    try:
        await until(holds)
    except TimeoutError:
        raise AssertionError(f"{last!r} instead of {expected!r}") from None


@asynccontextmanager
async def deployment(url: str) -> AsyncIterator[Deployment]:
    transport = Transport(url, ADMIN_TOKEN)
    try:
        made = Deployment(Api(transport), url)
        await made.prepare()
        yield made
    finally:
        await transport.close()


@asynccontextmanager
async def running(serve: Callable[[asyncio.Event, asyncio.Event], Awaitable[None]]) -> AsyncIterator[None]:
    """A bot in this process: `serve` gets the events `ready` and `stop`."""
    ready, stop = asyncio.Event(), asyncio.Event()
    serving = asyncio.ensure_future(serve(ready, stop))
    waiting = asyncio.create_task(ready.wait())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        yield
    finally:
        waiting.cancel()
        stop.set()
        await serving


#: The imports of Google's clients take seconds, and minutes on a machine that is busy.
START_SECONDS = 300


class BotProcess:
    """`python -m MODULE` with these settings. It is killed when the block ends."""

    def __init__(self, module: str, settings: Mapping[str, str]) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("SWITCHBOARD_", "BOT_"))}
        command = [sys.executable, "-m", module]
        path = os.pathsep.join((str(ROOT), str(ROOT / "client")))
        self._process = subprocess.Popen(command, env={**own, **settings, "PYTHONPATH": path}, cwd=ROOT)

    async def started(self, company: Deployment) -> None:
        """Wait until the bot has been created."""
        async with asyncio.timeout(START_SECONDS):
            while (user := await company.api.user(by={"username": f"bot-{company.suffix}"})) is None or not user.agent:
                assert self._process.poll() is None, "the bot ended"
                await asyncio.sleep(0.1)

    def __enter__(self) -> "BotProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()
        self._process.wait()

    def terminate(self) -> int:
        """Send SIGTERM, and return the exit code."""
        self._process.terminate()
        return self._process.wait(timeout=PATIENCE_SECONDS)


def staff_notes(messages: list[Any]) -> list[str]:
    return [one["text"] for one in messages if one["audience"] == Audience.STAFF]
