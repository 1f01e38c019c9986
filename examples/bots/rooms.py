"""Reads rooms of Switchboard and speaks in them as the bot. The only module that knows which operations that takes."""

from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any

import msgspec

from examples.bots import state as states
from examples.bots.answers import MAX_CHOICE_ID_CHARACTERS, Choice, Reply
from examples.bots.state import RoomState
from switchboard_client import Api
from switchboard_client.errors import (
    IdempotencyMismatch,
    InvalidInput,
    RoomAlreadyAssigned,
    RoomClosed,
    RoomNotAssigned,
    StaleRevision,
)
from switchboard_client.events import Event
from switchboard_client.inputs import AttachmentInput, ChoiceInput, MessageSenderInput, UserFilter
from switchboard_client.types import ActorType, AgentStatus, Audience, EventType, Presence, RoomStatus, SignalKind

FALLBACKS_FIELD = "botFallbacks"
WAITING_TIMER = "bot-waiting"
#: How many of the newest messages are looked at when the bot gets a room.
MAX_MESSAGES = 200
#: The key in a message's data for payloads that are too long for the id of a choice.
PAYLOADS_KEY = "payloads"

ROOM = """
query BotRoom($id: ID!) { result: room(by: {id: $id}) {
  id status revision agentFilter servedBy { id userId } department { id } visitor { name } startedAt
  fallbacks: customField(key: "botFallbacks") state: appData(key: "bot") { value version }
} }"""
MESSAGES = """
query BotMessages($id: ID!, $last: Int!) { result: room(by: {id: $id}) {
  messages(last: $last) { nodes { id number text sentAt audience sender { type } choice { messageId choiceId } } }
  assignments(last: 2) { nodes { agent { agentId } until } }
} }"""
PAYLOADS = """
query BotPayloads($id: ID!) { result: node(id: $id) { ... on Message { data } } }"""


class BotNoLongerServes(Exception):
    """Somebody else serves the room now, or the room is closed."""


class _Record(msgspec.Struct, frozen=True, rename="camel"):
    """An object of the API."""


class Server(_Record, frozen=True):
    """The agent of a room."""

    id: str
    user_id: str


class DepartmentRef(_Record, frozen=True):
    """A department of a room."""

    id: str


class VisitorRef(_Record, frozen=True):
    """The visitor of a room."""

    name: str | None


class StoredState(_Record, frozen=True):
    """The app data of a room."""

    value: Any
    version: int


class RoomNow(_Record, frozen=True):
    """A room as it is now."""

    id: str
    status: RoomStatus
    revision: int
    agent_filter: dict[str, Any] | None
    served_by: Server | None
    department: DepartmentRef | None
    visitor: VisitorRef
    started_at: datetime
    fallbacks: float | None
    state: StoredState | None


class SenderRef(_Record, frozen=True):
    """The sender of a message."""

    type: ActorType


class Chosen(_Record, frozen=True):
    """The choice that a message answers with."""

    message_id: str
    choice_id: str


class Spoken(_Record, frozen=True):
    """A message of a room."""

    id: str
    number: int
    text: str
    sent_at: datetime
    audience: Audience
    sender: SenderRef
    choice: Chosen | None

    @property
    def is_of_visitor(self) -> bool:
        return self.sender.type == ActorType.VISITOR and self.audience == Audience.EVERYONE


class _AgentRef(_Record, frozen=True):
    agent_id: str


class _Ended(_Record, frozen=True):
    agent: _AgentRef
    until: datetime | None


class _Assignments(_Record, frozen=True):
    nodes: tuple[_Ended, ...]


class _Messages(_Record, frozen=True):
    nodes: tuple[Spoken, ...]


class _RoomMessages(_Record, frozen=True):
    messages: _Messages
    assignments: _Assignments


class _MessageData(_Record, frozen=True):
    data: Any = None


class Rooms:
    """The rooms, as the bot with this agent and user sees them."""

    def __init__(self, api: Api, *, agent_id: str, user_id: str) -> None:
        self.api = api
        self.agent_id = agent_id
        self.user_id = user_id

    # ---------------------------------------------------------------- reads

    async def read(self, room_id: str) -> RoomNow | None:
        """The room. None if the app may not read it any more."""
        room: RoomNow | None = await self.api.query(ROOM, {"id": room_id}, type=RoomNow | None)
        return room

    def serves(self, room: RoomNow) -> bool:
        """Whether the bot serves the room."""
        return room.served_by is not None and room.served_by.id == self.agent_id and room.status != RoomStatus.CLOSED

    async def messages(self, room_id: str, last: int = MAX_MESSAGES) -> tuple[Spoken, ...]:
        """The newest messages, oldest first."""
        found: _RoomMessages = await self.api.query(MESSAGES, {"id": room_id, "last": last}, type=_RoomMessages)
        return found.messages.nodes

    async def unanswered(self, room: RoomNow, state: RoomState) -> list[Spoken]:
        """What the visitor has said since another agent served the room, and what the bot has not answered yet."""
        found: _RoomMessages = await self.api.query(MESSAGES, {"id": room.id, "last": MAX_MESSAGES}, type=_RoomMessages)
        ends = (one.until for one in found.assignments.nodes if one.agent.agent_id != self.agent_id)
        since = max((end for end in ends if end is not None), default=room.started_at)
        return [
            message
            for message in found.messages.nodes
            if message.is_of_visitor and not state.is_handled(message.id, message.number) and message.sent_at >= since
        ]

    async def payload(self, text: str, chosen: Chosen | None) -> str:
        """What the engine receives for a message: the payload of the choice, or the text."""
        if chosen is None:
            return text
        message: _MessageData | None = await self.api.query(
            PAYLOADS, {"id": chosen.message_id}, type=_MessageData | None
        )
        data = message.data if message is not None else None
        payloads = data.get(PAYLOADS_KEY) if isinstance(data, dict) else None
        payload = payloads.get(chosen.choice_id) if isinstance(payloads, dict) else None
        return payload if isinstance(payload, str) else chosen.choice_id

    # ---------------------------------------------------------------- the state

    async def store(self, room_id: str, state: RoomState, version: int, *, ack: Event | None = None) -> int:
        """Replace the state, if it has this version, and return the new version. Raises StaleVersion."""
        payload = await self.api.set_app_data(
            of={"roomId": room_id}, key=states.KEY, value=states.encode(state), if_version=version, ack=ack
        )
        assert payload.datum is not None
        return payload.datum.version

    # ---------------------------------------------------------------- what the bot does

    async def say(self, room_id: str, reply: Reply, key: str) -> None:
        """Send a message as the bot. Raises BotNoLongerServes."""
        choices, data = _choices(reply)
        await self._send(room_id, reply.text, key, choices=choices, attachments=_attachments(reply), data=data)

    async def note(self, room_id: str, text: str, key: str) -> None:
        """Write a note that visitors do not see, as the bot. Raises BotNoLongerServes."""
        await self._send(room_id, text, key, audience=Audience.STAFF)

    async def _send(self, room_id: str, text: str, key: str, **content: Any) -> None:
        given = {name: value for name, value in content.items() if value}
        speaker: MessageSenderInput = {"userId": self.user_id}
        try:
            await self._once(
                self.api.send_message(room_id=room_id, text=text, as_=speaker, client_mutation_id=key, **given)
            )
        except InvalidInput as error:
            if str(error.extensions.get("key", "")).startswith("as"):
                raise BotNoLongerServes from error
            raise

    async def say_as_app(self, room_id: str, text: str, key: str) -> None:
        """Send a message in a room that the bot does not serve."""
        await self._once(self.api.send_message(room_id=room_id, text=text, client_mutation_id=key))

    async def count_fallback(self, room_id: str, key: str) -> int:
        """Add one to the fallbacks in a row, and return their number."""
        payload = await self.api.update_room(
            room_id=room_id, increment=[{"key": FALLBACKS_FIELD, "by": 1}], client_mutation_id=key
        )
        value = payload.room.custom_field(FALLBACKS_FIELD)
        assert isinstance(value, int | float)
        return int(value)

    async def reset_fallbacks(self, room_id: str, key: str) -> None:
        await self.api.update_room(
            room_id=room_id, custom_fields=[{"key": FALLBACKS_FIELD, "value": 0}], client_mutation_id=key
        )

    async def is_attended(self, department_id: str | None) -> bool:
        """Whether a person serves the department (None: any), also one who has no room for more."""
        where: UserFilter = {
            "active": True,
            "agentStatus": AgentStatus.AVAILABLE,
            "presence": [Presence.ONLINE, Presence.AWAY, Presence.BUSY],
            "not": {"hasRoles": ["bot"]},
        }
        if department_id is not None:
            where["departmentId"] = department_id
        found = await self.api.agents(where=where, first=1)
        return found is not None and bool(found.nodes)

    async def start_waiting_timer(self, room_id: str, seconds: int, key: str) -> None:
        """Ask for an event if nobody is assigned within this time."""
        await self.api.set_timer(
            room_id=room_id,
            name=WAITING_TIMER,
            seconds=seconds,
            cancel_on=[EventType.AGENT_ASSIGNED],
            client_mutation_id=key,
        )

    async def signal(self, room_id: str, kind: SignalKind) -> None:
        await self.api.send_signal(room_id=room_id, kind=kind, as_={"userId": self.user_id})

    async def restrict_to(self, room_id: str, agent_filter: dict[str, Any] | None, key: str) -> None:
        """Set which agents routing may offer the room to, whoever serves it."""
        await self._once(
            self.api.update_room(room_id=room_id, agent_filter=agent_filter, client_mutation_id=key)  # type: ignore[arg-type] # as the API gave it
        )

    async def transfer(self, room_id: str, department_id: str, comment: str, key: str) -> None:
        """Give the bot's room to a department. Raises DepartmentDisabled and BotNoLongerServes."""
        await self._while_serving(
            room_id,
            lambda revision: self.api.transfer_room(
                room_id=room_id,
                to={"departmentId": department_id},
                comment=comment,
                if_revision=revision,
                client_mutation_id=f"{key}:{revision}",
            ),
        )

    async def unassign(self, room_id: str, comment: str, key: str) -> None:
        """Return the bot's room to its queue. Routing passes over the bot. Raises BotNoLongerServes."""
        await self._while_serving(
            room_id,
            lambda revision: self.api.unassign_agent(
                room_id=room_id, comment=comment, if_revision=revision, client_mutation_id=f"{key}:{revision}"
            ),
        )

    async def close(self, room_id: str, comment: str, key: str) -> None:
        """Close the bot's room. Raises BotNoLongerServes."""
        await self._while_serving(
            room_id,
            lambda revision: self.api.close_room(
                room_id=room_id, comment=comment, if_revision=revision, client_mutation_id=f"{key}:{revision}"
            ),
        )

    async def _while_serving(self, room_id: str, change: Callable[[int], Coroutine[Any, Any, object]]) -> None:
        """Change a room only if the bot serves it, at the revision that this was read at."""
        while True:
            room = await self.read(room_id)
            if room is None or not self.serves(room):
                raise BotNoLongerServes
            try:
                await self._once(change(room.revision))
                return
            except StaleRevision:
                continue

    async def close_as_app(self, room_id: str, comment: str, key: str) -> None:
        """Close a room that the bot does not serve."""
        await self._once(self.api.close_room(room_id=room_id, comment=comment, client_mutation_id=key))

    async def take_back(self, room_id: str, key: str) -> None:
        """Give a waiting room to the bot."""
        await self._once(self.api.assign_agent(room_id=room_id, agent_id=self.agent_id, client_mutation_id=key))

    @staticmethod
    async def _once(mutation: Coroutine[Any, Any, object]) -> None:
        """Run a mutation whose client_mutation_id may have been used with slightly other arguments: then it was done.

        Raises BotNoLongerServes.
        """
        try:
            await mutation
        except IdempotencyMismatch:
            return
        except (RoomClosed, RoomNotAssigned, RoomAlreadyAssigned) as error:
            raise BotNoLongerServes from error


def _choices(reply: Reply) -> tuple[list[ChoiceInput], dict[str, Any] | None]:
    """The choices of a message, and its data. The id of a choice is its payload if that is short and unique."""
    choices: list[ChoiceInput] = []
    payloads: dict[str, str] = {}
    for number, choice in enumerate(reply.choices, start=1):
        choice_id = choice.payload
        if not _fits(choice) or any(one["id"] == choice_id for one in choices):
            choice_id = f"#{number}"
            payloads[choice_id] = choice.payload
        choices.append({"id": choice_id, "label": choice.label, "url": choice.url})
    data = {**(reply.data or {}), **({PAYLOADS_KEY: payloads} if payloads else {})}
    return choices, data or None


def _fits(choice: Choice) -> bool:
    payload = choice.payload
    return payload == payload.strip() and 0 < len(payload) <= MAX_CHOICE_ID_CHARACTERS and payload.isprintable()


def _attachments(reply: Reply) -> Sequence[AttachmentInput]:
    return [{"name": one.name, "mimeType": one.mime_type, "url": one.url} for one in reply.attachments]
