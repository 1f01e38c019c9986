"""A visitor, a room, Salesforce's agents and the bridge, for tests."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any

from examples.salesforce_chat.bridge import CONSUMER, serve
from examples.salesforce_chat.settings import Settings, read_settings
from examples.salesforce_chat.stand_in.agents import Agents
from examples.salesforce_chat.stand_in.app import DEVELOPER_NAME, ORG_ID
from switchboard_client import Api, App, Backoff
from tests.client.support import until

JSON = dict[str, Any]
ROOM = """query Room($id: ID!) { result: room(by: {id: $id}) {
  status closeComment servedBy { user { username } } department { id } passedOver { user { username } }
  messages(first: 200) { nodes { id number text audience sender { type name } data choices { label }
                                 attachments { name url } } } } }"""


def environment(switchboard_url: str, token: str, salesforce_url: str, agent: str, **more: str) -> dict[str, str]:
    """The settings of a bridge, as variables."""
    return {
        "SWITCHBOARD_URL": switchboard_url,
        "SWITCHBOARD_TOKEN": token,
        "SALESFORCE_CHAT_URL": salesforce_url,
        "SALESFORCE_CHAT_ORG_ID": ORG_ID,
        "SALESFORCE_CHAT_DEPLOYMENT": DEVELOPER_NAME,
        "SALESFORCE_CHAT_AGENT": agent,
        **{f"SALESFORCE_CHAT_{name}": value for name, value in more.items()},
    }


@dataclass
class World:
    """One room and one bridge. `agent` is the username of the bridge's agent."""

    admin: Api
    agents: Agents
    url: str
    token: str
    salesforce_url: str
    agent: str
    department_id: str = ""
    visitor: str = ""
    room_id: str = ""

    def settings(self, **more: str) -> Settings:
        return read_settings(environment(self.url, self.token, self.salesforce_url, self.agent, **more))

    # ------------------------------------------------------------ the room

    async def start_room(self, *texts: str, **fields: Any) -> None:
        """A room in a department without routing, with these messages of the visitor."""
        self.visitor = f"v-{secrets.token_hex(6)}"
        await self.admin.save_visitor(token=self.visitor, name="Ada", email="ada@example.org")
        started = await self.admin.start_room(
            visitor_token=self.visitor, department_id=self.department_id, subject="Parcel", **fields
        )
        self.room_id = started.room.id
        for text in texts:
            await self.write(text)

    async def assign(self) -> None:
        """Give the room to the bridge's agent, once it is there."""

        async def is_agent() -> bool:
            user = await self.admin.user(by={"username": self.agent})
            return user is not None and user.agent is not None

        await until(is_agent)
        user = await self.admin.user(by={"username": self.agent})
        assert user is not None
        await self.admin.assign_agent(room_id=self.room_id, agent_id=user.id)

    async def write(self, text: str, key: str | None = None) -> str:
        """The visitor writes. The id of the message."""
        sent = await self.admin.send_message(
            room_id=self.room_id, text=text, as_={"visitorToken": self.visitor}, client_mutation_id=key
        )
        return sent.message.id

    async def room(self) -> JSON:
        found: JSON = await self.admin.query(ROOM, {"id": self.room_id})
        return found

    async def messages(self) -> list[JSON]:
        return list((await self.room())["messages"]["nodes"])

    async def texts(self) -> list[str]:
        return [message["text"] for message in await self.messages()]

    async def shows(self, text: str) -> None:
        """Wait until the room has this text."""

        async def has() -> bool:
            return text in await self.texts()

        await until(has)

    async def becomes(self, status: str) -> JSON:
        """Wait until the room has this status."""

        async def has() -> bool:
            return bool((await self.room())["status"] == status)

        await until(has)
        return await self.room()

    # ------------------------------------------------------------ Salesforce

    async def conversation(self, number: int = 1) -> JSON:
        """The conversation of this number, once it exists."""

        async def exists() -> bool:
            return len(await self.agents.conversations()) >= number

        await until(exists)
        return (await self.agents.conversations())[number - 1]

    async def served(self, number: int = 1) -> str:
        """The id of the conversation of this number, once its agent has been announced to the visitor."""

        async def is_announced() -> bool:
            found = [message["data"] or {} for message in await self.messages()]
            return len([data for data in found if data.get("event") == "joined"]) >= number

        await until(is_announced)
        return str((await self.conversation(number))["id"])

    async def hears(self, conversation_id: str, text: str) -> None:
        """Wait until Salesforce has this text of the visitor."""

        async def has() -> bool:
            return text in await self.agents.said(conversation_id)

        await until(has)

    async def has_entry(self, conversation_id: str, entry_type: str, role: str) -> JSON:
        """Wait for an entry of this type, and return the last."""
        found: list[JSON] = []

        async def has() -> bool:
            one = next(one for one in await self.agents.conversations() if one["id"] == conversation_id)
            entries = [entry for entry in one["entries"] if entry["entryType"] == entry_type]
            found[:] = [entry for entry in entries if entry["sender"]["role"] == role]
            return bool(found)

        await until(has)
        return found[-1]

    async def is_closed(self, number: int = 1) -> None:
        """Wait until the conversation of this number is closed at Salesforce."""

        async def closed() -> bool:
            conversations = await self.agents.conversations()
            return len(conversations) >= number and bool(conversations[number - 1]["closed"])

        await until(closed)


class RunningBridge:
    """The bridge in this process."""

    def __init__(self, settings: Settings) -> None:
        backoff = Backoff(first=0.05, longest=1.0)
        self._app = App(
            CONSUMER, url=settings.switchboard_url, token=settings.switchboard_token, own_events=True, backoff=backoff
        )
        self._task = asyncio.create_task(serve(settings, self._app))
        self._ready = asyncio.create_task(self._app.ready())

    async def ready(self) -> None:
        """Wait until it reads events. Raises what ends it before."""
        await asyncio.wait((self._task, self._ready), return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        self._app.stop()
        self._ready.cancel()
        await asyncio.gather(self._ready, return_exceptions=True)
        await self._task
