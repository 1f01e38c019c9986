"""A whole conversation between a visitor and agents at Salesforce, without an account: `make demo-salesforce-chat`.

It starts the stand-in of Salesforce, and the bridge as a process of its own, which it also kills. It plays the visitor
through Switchboard and the agents through the stand-in, and fails if a message is lost, doubled or out of order.
"""

import asyncio
import os
import secrets
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from examples.address import address
from examples.narration import Narrator
from examples.salesforce_chat.stand_in.agents import Agents
from examples.salesforce_chat.stand_in.app import DEVELOPER_NAME, ORG_ID, StandIn
from switchboard_client import Api, ApiError, ConnectionLost, Transport
from switchboard_client.errors import DuplicateValue
from switchboard_client.types import FieldTarget, FieldType, Room

PATIENCE_SECONDS = 60.0
BRIDGE_SCOPES = [
    "users:read",
    "users:write",
    "roles:write",
    "agents:write",
    "departments:write",
    "visitors:read",
    "visitors:write",
    "rooms:read",
    "rooms:write",
    "rooms:assign",
    "messages:read",
    "messages:write",
    "events:read",
]
FIELD = "demoCaseId"
TEXTS = """query Texts($id: ID!) { result: room(by: {id: $id}) {
  messages(first: 200) { nodes { text sender { type name } data } } } }"""


class Unexpected(Exception):
    """A result is not as expected."""


class Demo:
    def __init__(self, narrator: Narrator, url: str, admin: Api, stand_in: StandIn, agents: Agents) -> None:
        self._narrator = narrator
        self._url = url
        self._admin = admin
        self._stand_in = stand_in
        self._agents = agents
        self._run = secrets.token_hex(3)
        self._token = ""
        self._bridge: Process | None = None

    # ------------------------------------------------------------ what it is made of

    async def install(self) -> None:
        """Create the app of the bridge, and the custom field of its case."""
        created = await self._admin.create_app(name=f"demo-salesforce-{self._run}", scopes=BRIDGE_SCOPES)
        self._token = created.token
        try:
            await self._admin.define_custom_field(target=FieldTarget.ROOM, key=FIELD, type=FieldType.TEXT)
        except DuplicateValue:
            self._narrator.remark(f"The custom field {FIELD} exists already.")

    async def start_bridge(self) -> None:
        settings = {
            "SWITCHBOARD_URL": self._url,
            "SWITCHBOARD_TOKEN": self._token,
            "SALESFORCE_CHAT_URL": self._stand_in.url,
            "SALESFORCE_CHAT_ORG_ID": ORG_ID,
            "SALESFORCE_CHAT_DEPLOYMENT": DEVELOPER_NAME,
            "SALESFORCE_CHAT_AGENT": f"demo-salesforce-{self._run}",
            "SALESFORCE_CHAT_PRECHAT": f"Case_Id=room.customFields.{FIELD}, Name=visitor.name",
            "LOG_LEVEL": os.environ.get("LOG_LEVEL", "ERROR"),
        }
        self._bridge = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "examples.salesforce_chat", env=os.environ | settings, start_new_session=True
        )

    async def stop_bridge(self, how: signal.Signals) -> None:
        bridge, self._bridge = self._bridge, None
        if bridge is not None:
            bridge.send_signal(how)
            await bridge.wait()

    async def until(self, what: str, check: Callable[[], Awaitable[bool]]) -> None:
        """Wait for something. Raises Unexpected."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not await check():  # noqa: ASYNC110 (the other side is another process)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise Unexpected(f"{what} did not come within {PATIENCE_SECONDS:.0f} s") from None

    # ------------------------------------------------------------ the two sides

    async def start_room(self, visitor: str, case: str) -> tuple[Room, Api]:
        """Start a room, and open the API with the visitor's own token."""
        token = f"demo-{visitor.lower()}-{self._run}"
        await self._admin.save_visitor(token=token, name=visitor)
        started = await self._admin.start_room(visitor_token=token, custom_fields=[{"key": FIELD, "value": case}])
        session = await self._admin.create_visitor_session(visitor_token=token)
        return started.room, Api(Transport(self._url, session.token))

    async def hand_over(self, room: Room) -> None:
        """Assign the bridge's agent, as a bot or a router does."""

        async def is_there() -> bool:
            return await self._admin.user(by={"username": f"demo-salesforce-{self._run}"}) is not None

        await self.until("the bridge's agent", is_there)
        user = await self._admin.user(by={"username": f"demo-salesforce-{self._run}"})
        assert user is not None
        await self._admin.assign_agent(room_id=room.id, agent_id=user.id)

    async def conversation_of(self, case: str) -> str:
        """The conversation at Salesforce with this case as its pre-chat value."""
        found: list[str] = []

        async def exists() -> bool:
            conversations = await self._agents.conversations()
            found[:] = [one["id"] for one in conversations if one["attributes"].get("Case_Id") == case]
            return bool(found)

        await self.until(f"a conversation about {case}", exists)
        return found[0]

    async def room_texts(self, room: Room) -> list[str]:
        reply = await self._admin.query(TEXTS, {"id": room.id})
        return [message["text"] for message in reply["messages"]["nodes"]]

    async def wait_for_room(self, room: Room, text: str) -> None:
        async def has() -> bool:
            return text in await self.room_texts(room)

        await self.until(f"{text!r} in the room", has)
        self._narrator.good(f"the visitor reads: {text}")

    async def wait_for_salesforce(self, conversation: str, text: str) -> None:
        async def has() -> bool:
            return text in await self._agents.said(conversation)

        await self.until(f"{text!r} at Salesforce", has)
        self._narrator.good(f"the agent at Salesforce reads: {text}")

    # ------------------------------------------------------------ the story

    async def run(self) -> None:
        narrator, agents = self._narrator, self._agents
        narrator.step("The bridge starts, and makes itself an agent of Switchboard")
        await self.install()
        await self.start_bridge()
        case = f"CASE-{self._run}"
        narrator.step(f"Ada writes on the website about {case}, and is handed over to Salesforce")
        room, ada = await self.start_room("Ada", case)
        await ada.send_message(room_id=room.id, text="My parcel is lost.")
        await self.hand_over(room)
        conversation = await self.conversation_of(case)
        narrator.good(f"Salesforce has a conversation with the pre-chat values Case_Id={case}, Name=Ada")
        await self.wait_for_salesforce(conversation, "Ada: My parcel is lost.")
        await self.wait_for_room(room, "Sasha joined the conversation.")
        narrator.step("Both write")
        await agents.say(conversation, "Good morning, Ada.")
        await self.wait_for_room(room, "Good morning, Ada.")
        await ada.send_message(room_id=room.id, text="It should be here since Monday.")
        await self.wait_for_salesforce(conversation, "It should be here since Monday.")
        narrator.step("Sasha passes the conversation on to Robin")
        await agents.transfer(conversation, "Robin")
        await self.wait_for_room(room, "Robin joined the conversation.")
        narrator.step("The connection to Salesforce is cut while Robin writes")
        await agents.cut(in_frame=True)
        await agents.say(conversation, "I am looking for it.")
        await self.wait_for_room(room, "I am looking for it.")
        narrator.step("The bridge is killed (SIGKILL), both go on writing, and it starts again")
        await self.stop_bridge(signal.SIGKILL)
        await agents.say(conversation, "It is in Lyon.")
        await ada.send_message(room_id=room.id, text="Do you have it?")
        await agents.say(conversation, "You will get it tomorrow.")
        await ada.send_message(room_id=room.id, text="Hello?")
        await self.start_bridge()
        await self.wait_for_room(room, "You will get it tomorrow.")
        await self.wait_for_salesforce(conversation, "Hello?")
        narrator.step("Robin ends the session")
        await agents.end(conversation)
        await self._wait_for_status(room, "CLOSED")
        await self._check(room, conversation)
        await self._nobody_there()

    async def _nobody_there(self) -> None:
        self._narrator.step("Bela comes when nobody at Salesforce is there")
        await self._agents.set_routing("nobody")
        room, bela = await self.start_room("Bela", f"CASE-{self._run}-2")
        await bela.send_message(room_id=room.id, text="Is anybody there?")
        await self.hand_over(room)
        await self.wait_for_room(room, "Nobody is available there at the moment. We will find somebody else for you.")
        await self._wait_for_status(room, "QUEUED")

    async def _wait_for_status(self, room: Room, status: str) -> None:
        async def has() -> bool:
            now = await self._admin.room(by={"id": room.id})
            return now is not None and now.status == status

        await self.until(f"the status {status}", has)
        self._narrator.good(f"the room is {status}")

    async def _check(self, room: Room, conversation: str) -> None:
        """Compare the two sides."""
        at_salesforce = await self._agents.said(conversation)
        from_salesforce = await self._agents.said(conversation, "Agent")
        in_room = [text for text in await self.room_texts(room) if text in from_salesforce]
        expected = ["Ada: My parcel is lost.", "It should be here since Monday.", "Do you have it?", "Hello?"]
        if at_salesforce != expected:
            raise Unexpected(f"Salesforce has {at_salesforce}, not {expected}")
        if in_room != from_salesforce:
            raise Unexpected(f"the room has {in_room}, not {from_salesforce}")
        self._narrator.good("no message is lost, doubled or out of order on either side")


async def main(url: str, token: str, narrator: Narrator) -> None:
    async with AsyncExitStack() as cleanup:
        stand_in = cleanup.enter_context(StandIn())
        agents = Agents(stand_in.url)
        cleanup.push_async_callback(agents.aclose)
        transport = Transport(url, token)
        cleanup.push_async_callback(transport.close)
        narrator.title("A visitor talks with agents at Salesforce", f"Switchboard {url}, stand-in {stand_in.url}")
        demo = Demo(narrator, url, Api(transport), stand_in, agents)
        cleanup.push_async_callback(demo.stop_bridge, signal.SIGTERM)
        await demo.run()


def run() -> int:
    token = os.environ.get("SWITCHBOARD_ADMIN_TOKEN")
    if not token:
        print("Set SWITCHBOARD_ADMIN_TOKEN, or run  make demo-salesforce-chat.", file=sys.stderr)
        return 2
    narrator = Narrator()
    try:
        asyncio.run(main(address(os.environ), token, narrator))
    except (Unexpected, ApiError, ConnectionLost, OSError) as problem:
        narrator.bad(str(problem) or type(problem).__name__)
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(run())
    except KeyboardInterrupt:
        sys.exit(130)
