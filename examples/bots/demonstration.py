"""A conversation that shows a bot: it greets, answers, does not understand, and hands over to a person.

Everything that it creates has a name that begins with "demo".
"""

import asyncio
import contextlib
import logging
import os
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from examples.address import address
from examples.bots.install import SCOPES
from examples.narration import Narrator
from switchboard_client import Api, ApiError, ConnectionLost, Transport
from switchboard_client.events import AgentAssigned, AgentUnassigned, MessageSent, RoomClosed, RoomEvent, RoomStarted
from switchboard_client.types import AgentStatus, Audience, Presence

#: The longest time to wait for an answer of the bot. A busy machine may need a while.
ANSWER_SECONDS = 120.0
VISITOR_NAME = "Ada Park"

#: Runs the bot with these environment variables until `stop` is set, and sets `ready`.
ServeBot = Callable[[Mapping[str, str], asyncio.Event, asyncio.Event], Awaitable[None]]


class Unexpected(Exception):
    """The conversation went otherwise than expected."""


class Line:
    """What the visitor does, and the texts that must come after it, the visitor's own not counted."""

    def __init__(self, step: str, text: str, expected: Sequence[str], *, choice: str | None = None) -> None:
        self.step = step
        self.text = text
        self.expected = expected
        #: The label of a choice of the bot's last message that has choices.
        self.choice = choice


class Conversation:
    """The room of the demo, and what was said in it."""

    def __init__(self, narrator: Narrator, api: Api, room_id: str, token: str) -> None:
        self._narrator = narrator
        self._api = api
        self.room_id = room_id
        self._token = token
        self._said: list[str] = []
        self._choices: tuple[str, dict[str, str]] = ("", {})
        self._changed = asyncio.Event()
        self.server: str | None = None
        self._is_closed = False
        #: The names of users by their usernames, which messages have.
        self._names: dict[str, str] = {}

    async def watch(self, after: str | None) -> None:
        """Print the events of the room, for ever."""
        async for event in self._api.events_live(
            RoomStarted, AgentAssigned, AgentUnassigned, MessageSent, RoomClosed,
            where={"ids": [self.room_id]}, after=after,
        ):  # fmt: skip
            self._narrator.event(event.sequence, type(event).__name__, self._describe(event), time.monotonic())
            self._changed.set()

    def _describe(self, event: RoomEvent) -> str:
        match event:
            case AgentAssigned(agent=agent):
                self.server = agent.user.name or agent.user.username
                self._names[agent.user.username] = self.server
                return f"{self.server} serves the room ({event.cause.value})"
            case AgentUnassigned(agent=agent):
                self.server = None
                return f"{agent.user.name or agent.user.username} does not serve it any more"
            case MessageSent(message=message):
                offered = {choice.label: choice.id for choice in message.choices}
                if offered:
                    self._choices = (message.message_id, offered)
                if message.audience == Audience.EVERYONE and message.sender.type != "VISITOR":
                    self._said.append(message.text)
                who = message.sender.name or message.sender.type.value.lower()
                who = self._names.get(who, who)
                note = " (note)" if message.audience == Audience.STAFF else ""
                buttons = f"  [{'] ['.join(offered)}]" if offered else ""
                return f"{who}{note}: {message.text}{buttons}"
            case RoomClosed():
                self._is_closed = True
        return str(event.room.status.value)

    async def say(self, line: Line) -> None:
        self._said.clear()
        if line.choice is None:
            await self._api.send_message(room_id=self.room_id, text=line.text, as_={"visitorToken": self._token})
        else:
            message_id, offered = self._choices
            await self._api.send_message(
                room_id=self.room_id,
                text="",
                choice={"messageId": message_id, "choiceId": offered[line.choice]},
                as_={"visitorToken": self._token},
            )

    async def expect(self, texts: Sequence[str]) -> None:
        """Wait until the bot has said this. Raises Unexpected."""
        with contextlib.suppress(Unexpected):
            await self._until(lambda: len(self._said) >= len(texts), "")
        if self._said != list(texts):
            raise Unexpected(f"expected {list(texts)}, and the bot said {self._said}")

    async def served_by(self, name: str) -> None:
        await self._until(lambda: self.server == name, f"{name} did not get the room")

    async def closed(self) -> None:
        await self._until(lambda: self._is_closed, "the room was not closed")

    async def _until(self, holds: Callable[[], bool], otherwise: str) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise Unexpected(otherwise) from None


async def converse(
    narrator: Narrator, url: str, token: str, serve_bot: ServeBot, greeting: Sequence[str], lines: Sequence[Line]
) -> None:
    """Have the conversation. Raises Unexpected, ApiError or ConnectionLost."""
    run = secrets.token_hex(3)
    async with AsyncExitStack() as cleanup:
        transport = Transport(url, token)
        cleanup.push_async_callback(transport.close)
        api = Api(transport)

        narrator.step("An app for the bot, two departments, and Nora, who works in one of them")
        created = await api.create_app(name=f"demo bot {run}", scopes=SCOPES)
        cleanup.push_async_callback(api.revoke_app, app_id=created.app.id)
        reception = (await api.create_department(name=f"Demo: reception {run}")).department
        support = (await api.create_department(name=f"Demo: support {run}")).department
        user = (await api.create_user(username=f"demo-nora-{run}", name="Nora Haddad")).user
        agent = (await api.add_agent(user_id=user.id, department_ids=[support.id])).agent
        await api.set_presence(user_id=user.id, presence=Presence.ONLINE)
        cleanup.push_async_callback(api.set_agent_status, agent_id=agent.id, status=AgentStatus.NOT_AVAILABLE)
        narrator.remark(f"the bot serves {reception.name}, and hands over to {support.name}")

        narrator.step("The bot starts")
        settings = {
            "SWITCHBOARD_URL": url,
            "SWITCHBOARD_TOKEN": created.token,
            "BOT_USERNAME": f"demo-bot-{run}",
            "BOT_NAME": "Robin (bot)",
            "BOT_DEPARTMENTS": reception.name,
            "BOT_HANDOVER_DEPARTMENT": support.name,
            "BOT_MAX_FALLBACKS": "3",
            "BOT_TURN_SECONDS": "60",
        }
        ready, stop = asyncio.Event(), asyncio.Event()
        bot = asyncio.ensure_future(serve_bot(settings, ready, stop))
        cleanup.push_async_callback(_stop, bot, stop)
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait((bot, waiting), return_when=asyncio.FIRST_COMPLETED, timeout=ANSWER_SECONDS)
        if not waiting.done():
            waiting.cancel()
            raise Unexpected(f"the bot did not start: {bot.exception() if bot.done() else 'no connection'}")

        narrator.step(f"{VISITOR_NAME} opens the chat")
        visitor = f"demo-visitor-{run}"
        await api.save_visitor(token=visitor, name=VISITOR_NAME)
        cursor = await api.event_cursor()
        room = (await api.start_room(visitor_token=visitor, department_id=reception.id, source="website")).room
        conversation = Conversation(narrator, api, room.id, visitor)
        watching = asyncio.create_task(conversation.watch(cursor))
        cleanup.push_async_callback(_cancel, watching)
        await conversation.expect(greeting)
        for line in lines:
            narrator.step(line.step)
            await conversation.say(line)
            await conversation.expect(line.expected)
        await conversation.served_by("Nora Haddad")

        narrator.step("Nora answers, and closes the room")
        await api.send_message(room_id=room.id, text="Hello, this is Nora.", as_={"userId": user.id})
        await api.close_room(room_id=room.id, comment="solved")
        await conversation.closed()
        narrator.good("every message was answered once and in order, and Nora has a note of what was said before")


async def _stop(bot: asyncio.Future[None], stop: asyncio.Event) -> None:
    stop.set()
    await asyncio.wait((bot,), timeout=ANSWER_SECONDS)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def run(title: str, main: Callable[[Narrator, str, str], Awaitable[None]]) -> int:
    """Run a demo, and return its exit code."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    token = os.environ.get("SWITCHBOARD_ADMIN_TOKEN")
    if not token:
        print("Run  switchboard demo NAME, or set SWITCHBOARD_ADMIN_TOKEN to a token that has all scopes.")
        return 2
    url = address(os.environ)
    narrator = Narrator()
    narrator.title(title, url)
    try:
        asyncio.run(_run(main, narrator, url, token))
    except (Unexpected, ApiError, ConnectionLost, RuntimeError) as error:
        narrator.bad(str(error) or type(error).__name__)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


async def _run(main: Callable[[Narrator, str, str], Awaitable[None]], narrator: Narrator, url: str, token: str) -> None:
    await main(narrator, url, token)
