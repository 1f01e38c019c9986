"""What comes from Salesforce: messages, agents, receipts, typing, and ends."""

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING

from examples.salesforce_chat import timers
from examples.salesforce_chat.calls import Calls
from examples.salesforce_chat.messages import Attachment, ChoiceOffer
from examples.salesforce_chat.salesforce.entries import Ended, Entry, Joined, Left, Message, Read, Routed, Typing
from examples.salesforce_chat.salesforce.errors import GuestTokenEnds, NotParticipant
from examples.salesforce_chat.salesforce.tokens import AccessToken
from examples.salesforce_chat.settings import QUEUE
from examples.salesforce_chat.state import Received
from switchboard_client.types import SignalKind

if TYPE_CHECKING:
    from examples.salesforce_chat.session import Session

_log = logging.getLogger(__name__)
END_USER = "EndUser"
#: For so many messages that were sent to Salesforce, a receipt finds the message of the room.
RECEIPTS = 100


class Incoming:
    """Handles the entries of one conversation, one after the other. The position is saved after each effect."""

    def __init__(self, session: "Session", calls: Calls, received: Received) -> None:
        self._session = session
        self._calls = calls
        self._services = session.services
        self._room_id = session.room_id
        self._conversation_id = received.conversation
        self._received = received
        #: The entries that the room has already, though `received` may not know it. Null: not read yet.
        self._relayed: set[str] | None = None
        self._sent: OrderedDict[str, str] = OrderedDict()

    @property
    def agent(self) -> str | None:
        """Who serves at Salesforce."""
        return self._received.agent

    @property
    def moment(self) -> int:
        return self._received.moment

    @property
    def last_event_id(self) -> str:
        return self._received.event_id

    async def get_token(self, refused: str | None) -> AccessToken:
        return await self._calls.get_token(refused)

    def remember_sent(self, salesforce_id: str, message_id: str) -> None:
        """Remember which message of the room a message at Salesforce is, for receipts."""
        self._sent[salesforce_id] = message_id
        while len(self._sent) > RECEIPTS:
            self._sent.popitem(last=False)

    async def handle(self, entry: Entry, event_id: str | None) -> None:
        """Handle an entry once. Typing and receipts are passed on if somebody listens, and not remembered."""
        match entry:
            case Typing() | Read() if entry.role != END_USER:
                await self._signal(entry)
            case Message() if entry.role == END_USER:
                pass  # the echo of what this app sent
            case Message() | Routed() | Joined() | Left() | Ended():
                if not self._received.has(entry.identifier, entry.moment):
                    await self._take_effect(entry)
                    self._received = self._received.handled(entry.identifier, entry.moment, event_id)
                    await self._save()
                    await self._confirm(entry)
                    return
        self._received = self._received.passed(entry.moment, event_id)

    async def handle_message(self, entry: Entry) -> None:
        """Handle an entry after the end: messages only."""
        if isinstance(entry, Message):
            await self.handle(entry, None)

    async def lose(self, error: NotParticipant) -> None:
        """The conversation cannot be read any more: it was closed, or the token of the guest ends."""
        session = self._session
        async with session.lock:
            if session.incoming is not self or not session.is_open:
                return
            if isinstance(error, GuestTokenEnds):
                await session.replace()
            else:
                await session.give_back(f"Salesforce: {error}")

    # ------------------------------------------------------------ effects

    async def _take_effect(self, entry: Entry) -> None:
        match entry:
            case Message():
                await self._say(entry)
            case Joined():
                self._received = self._received.with_agent(entry.name)
                await self._tell_joined(entry)
            case Left() if entry.name == self._received.agent:
                self._received = self._received.with_agent(None)
                await self._wait_for_another(entry)
            case Routed() if entry.failure and self._received.agent is None:
                await self._session.give_back(f"Salesforce: routing failed ({entry.failure})")
            case Ended():
                await self._end(entry)

    async def _say(self, entry: Message) -> None:
        if await self._is_relayed(entry.identifier):
            return
        attachments = [Attachment(file.name, file.mime_type, file.url) for file in entry.files]
        choices = [ChoiceOffer(choice.id, choice.label) for choice in entry.choices]
        if not (entry.text.strip() or attachments or choices):
            return
        data = {
            "salesforceEntry": entry.identifier,
            "salesforceConversation": self._conversation_id,
            "agentName": entry.sender_name,
            "role": entry.role,
        }
        key = f"{self._conversation_id}:{entry.identifier}"
        await self._services.switchboard.messages.say(
            self._room_id, entry.text, key, data=data, choices=choices, attachments=attachments
        )

    async def _is_relayed(self, identifier: str) -> bool:
        """Whether the room has the message. Only the first one after a restart can be in doubt."""
        if self._relayed is None:
            self._relayed = await self._services.switchboard.rooms.relayed(self._room_id, self._conversation_id)
        return identifier in self._relayed

    async def _tell_joined(self, entry: Joined) -> None:
        settings, switchboard = self._services.settings, self._services.switchboard
        if settings.texts.joined:
            text = settings.texts.joined.replace("{agent}", entry.name)
            key = f"{self._conversation_id}:{entry.identifier}"
            data = {"agentName": entry.name, "event": "joined"}
            await switchboard.messages.say(self._room_id, text, key, data=data)
        await timers.agent_joined(self._session)

    async def _wait_for_another(self, entry: Left) -> None:
        """Give another agent time to come: longer if Salesforce looks for one than if it does not."""
        settings, status = self._services.settings, await self._calls.routing_status()
        _log.info("room %s: %s left, the routing status is %s", self._room_id, entry.name, status)
        given_up = status == "NEEDS_ROUTING"
        await timers.start_waiting(self._session, settings.left_seconds if given_up else settings.wait_seconds)

    async def _end(self, entry: Ended) -> None:
        session, settings = self._session, self._services.settings
        async with session.lock:
            if session.incoming is not self:
                return
            if (
                self._received.ends_passed < session.sent.reopened
                or await self._services.switchboard.rooms.has_visitor_message(self._room_id, session.sent.number)
            ):
                # The visitor wrote after the end: the message starts another session.
                self._received = self._received.with_end_passed()
                return
            conversation = session.conversation
            if conversation is None:
                return
            if settings.when_ended == QUEUE:
                await session.give_back("Salesforce ended the session.")
                return
            if settings.texts.ended:
                await self._services.switchboard.messages.say(
                    self._room_id, settings.texts.ended, f"{self._conversation_id}:{entry.identifier}:ended"
                )
            await self._services.switchboard.close(
                self._room_id, conversation.assignment, "Salesforce ended the session."
            )

    # ------------------------------------------------------------ signals and receipts

    async def _signal(self, entry: Typing | Read) -> None:
        messages = self._services.switchboard.messages
        if isinstance(entry, Typing):
            await messages.signal(self._room_id, SignalKind.TYPING if entry.started else SignalKind.STOPPED_TYPING)
        elif (message_id := self._sent.get(entry.message_id)) is not None:
            await messages.signal(self._room_id, SignalKind.READ, message_id)

    async def _confirm(self, entry: Entry) -> None:
        """Tell Salesforce that the visitor's side has the message. Nothing depends on it."""
        if isinstance(entry, Message):
            await self._calls.acknowledge(entry.identifier, "Delivery")

    async def _save(self) -> None:
        await self._services.switchboard.save_received(self._room_id, self._received)
