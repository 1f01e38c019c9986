"""The conversation at Salesforce of one room: how it starts, goes on after a restart, is replaced, and ends.

Every step can be taken again: ids are derived from the room and its assignment, and the state is saved before the step
that depends on it. So a process that is killed at any line is followed by one that goes on.
"""

import asyncio
import logging
from dataclasses import dataclass, replace

from examples.salesforce_chat import timers
from examples.salesforce_chat.calls import Calls, RoomGone, close_conversation, get_guest_token
from examples.salesforce_chat.incoming import Incoming
from examples.salesforce_chat.salesforce.api import SalesforceApi
from examples.salesforce_chat.salesforce.backoff import Backoff
from examples.salesforce_chat.salesforce.errors import SalesforceError
from examples.salesforce_chat.salesforce.tokens import AccessToken
from examples.salesforce_chat.salesforce.watcher import Watcher, list_since
from examples.salesforce_chat.settings import Settings
from examples.salesforce_chat.state import (
    OPEN,
    OVER,
    STARTING,
    Conversation,
    Received,
    Remembered,
    RoomNow,
    Sent,
    derive_id,
)
from examples.salesforce_chat.switchboard import Ack, Switchboard

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    """What all sessions share."""

    settings: Settings
    salesforce: SalesforceApi
    switchboard: Switchboard


class Session:
    """Use `lock` for everything that starts, sends or ends. Receiving needs it only where it ends something."""

    def __init__(self, services: Services, room_id: str) -> None:
        self.services = services
        self.room_id = room_id
        self.lock = asyncio.Lock()
        self.conversation: Conversation | None = None
        self.sent = Sent("", 0)
        self.incoming: Incoming | None = None
        self.calls: Calls | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        return self.conversation is not None and self.conversation.phase == OPEN

    # ------------------------------------------------------------ start

    async def open(self, assignment: str | None, ack: Ack | None = None) -> None:
        """Let the room's current assignment have an open conversation. Does nothing if it is not this assignment."""
        async with self.lock:
            room = await self.own_room()
            if room is None or assignment not in (None, room.assignment):
                return
            known = room.remembered.conversation
            if known is not None and known.assignment != room.assignment and assignment is None:
                return  # the events that lead to this assignment are still to come
            if known is None or known.assignment != room.assignment:
                if known is not None and known.phase != OVER:
                    await self._close(known.id, known.token, known.subject)
                try:
                    known = await self._create_state(room, generation=0)
                except SalesforceError as error:
                    await self._give_back(room.assignment or "", f"Salesforce: {error}", ack)
                    return
                self._use(Remembered(known))
            elif self.conversation is None or self.conversation.id != known.id:
                self._use(room.remembered)
            if known.phase == STARTING:
                await self._begin(ack)
            elif known.phase == OPEN:
                self.watch()

    async def load(self) -> None:
        """Read the state, if this process does not have it. Needs the lock."""
        if self.conversation is None:
            room = await self.services.switchboard.rooms.room(self.room_id)
            if room is not None:
                self._use(room.remembered)

    def _use(self, remembered: Remembered) -> None:
        conversation = remembered.conversation
        self.conversation = conversation
        if conversation is not None:
            self.sent = remembered.sent or Sent(conversation.id, conversation.history_through)
            received = remembered.received or Received(conversation.id, conversation.first_event_id)
            self.calls = Calls(self.services.salesforce, conversation, self._is_own, self.services.settings)
            self.incoming = Incoming(self, self.calls, received)

    async def _is_own(self) -> bool:
        return await self.own_room() is not None

    async def own_room(self) -> RoomNow | None:
        """The room, if the bridge's agent serves it now."""
        room = await self.services.switchboard.rooms.room(self.room_id)
        mine = room is not None and room.open and room.served_by == self.services.switchboard.agent_user_id
        return room if mine else None

    async def _create_state(
        self, room: RoomNow, generation: int, replaced: tuple[str, str | None] | None = None
    ) -> Conversation:
        """Save what the conversation will be, before anything is created at Salesforce. Raises as get_guest_token."""
        subject = f"switchboard-{room.values['visitor.id']}"
        history_through = await self.services.switchboard.rooms.last_number(self.room_id)
        token: AccessToken | None = None
        if not self.services.salesforce.verified:
            seconds = self.services.settings.unreachable_seconds
            token = await get_guest_token(self.services.salesforce, subject, seconds)
        prechat = self.services.settings.prechat
        conversation = Conversation(
            id=derive_id(self.room_id, room.assignment, generation),
            assignment=room.assignment or "",
            revision=room.revision,
            generation=generation,
            phase=STARTING,
            subject=subject,
            attributes={name: room.values[source] for name, source in prechat if room.values.get(source)},
            history_through=history_through,
            token=None if token is None else token.value,
            first_event_id="" if token is None else token.last_event_id,
            replaced=replaced,
        )
        await self.services.switchboard.save_conversation(self.room_id, conversation)
        return conversation

    async def _begin(self, ack: Ack | None) -> None:
        """Create the conversation, tell the agents what was said until now, and follow it."""
        conversation, calls = self.current()
        try:
            await calls.create_conversation()
            history = await self.services.switchboard.rooms.history(self.room_id, conversation.history_through)
            if history:
                await calls.send(derive_id(conversation.id, "history"), history, None)
        except RoomGone:
            return
        except SalesforceError as error:
            _log.warning("room %s: no conversation can be started: %s", self.room_id, error)
            await self.give_back(f"Salesforce: {error}", ack)
            return
        await timers.start_waiting(self, self.services.settings.wait_seconds)
        self.watch()
        if conversation.replaced is not None:
            await self._close(*conversation.replaced, conversation.subject)
        self.conversation = replace(conversation, phase=OPEN, replaced=None)
        await self.services.switchboard.save_conversation(self.room_id, self.conversation, ack)
        _log.info("room %s: conversation %s is open", self.room_id, conversation.id)

    async def replace(self) -> None:
        """Go on in a new conversation, with a new guest. Needs the lock."""
        old, _ = self.current()
        room = await self.own_room()
        if room is None or room.assignment != old.assignment:
            return
        await self._stop_watching()
        await self._drain()
        try:
            replacement = await self._create_state(room, old.generation + 1, replaced=(old.id, old.token))
        except SalesforceError as error:
            await self.give_back(f"Salesforce: {error}")
            return
        _log.info("room %s: conversation %s replaces %s", self.room_id, replacement.id, old.id)
        self._use(Remembered(replacement))
        await self._begin(None)

    # ------------------------------------------------------------ following

    def watch(self) -> None:
        """Follow the conversation in the background."""
        if self.incoming is not None and (self._watching is None or self._watching.done()):
            self._watching = asyncio.create_task(self._watch(self.incoming), name=f"watch {self.room_id}")

    async def _watch(self, incoming: Incoming) -> None:
        while True:
            try:
                await Watcher(self.services.salesforce, self.current()[0].id, incoming).run()
                return
            except Exception:
                _log.exception("room %s: following the conversation failed", self.room_id)
                await Backoff(first=2).pause()

    async def _stop_watching(self) -> None:
        task, self._watching = self._watching, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait({task})

    async def _drain(self) -> None:
        """Handle what came since the last handled entry, if Salesforce can be reached."""
        incoming, (conversation, calls) = self.incoming, self.current()
        if incoming is None:
            return
        try:
            token = conversation.token or (await calls.get_token(None)).value  # a guest's may end now
            async for entry in list_since(self.services.salesforce, token, conversation.id, incoming.moment):
                await incoming.handle_message(entry)
        except SalesforceError as error:
            _log.warning("room %s: the last entries cannot be read: %s", self.room_id, error)

    # ------------------------------------------------------------ end

    async def give_back(self, reason: str, ack: Ack | None = None) -> None:
        """Return the room to the queue, or give it to the fallback department. Its end follows as an event."""
        await self._give_back(self.current()[0].assignment, reason, ack)

    async def give_back_unopened(self, assignment: str | None, reason: str) -> None:
        """As give_back, for an assignment that has no open conversation. Does nothing if it is over."""
        room = await self.own_room()
        if assignment is not None and room is not None and room.assignment == assignment:
            await self._give_back(assignment, reason, None)

    async def _give_back(self, assignment: str, reason: str, ack: Ack | None) -> None:
        settings, switchboard = self.services.settings, self.services.switchboard
        if settings.texts.nobody:
            key = f"{derive_id(self.room_id, assignment)}:nobody"
            await switchboard.messages.say(self.room_id, settings.texts.nobody, key)
        await switchboard.give_back(self.room_id, assignment, reason, ack)
        _log.info("room %s goes back: %s", self.room_id, reason)

    async def end(self, revision: int, ack: Ack | None) -> None:
        """Close the conversation, if its assignment ended at this revision of the room."""
        async with self.lock:
            await self.load()
            conversation = self.conversation
            if conversation is None or conversation.phase == OVER or revision <= conversation.revision:
                return
            await self._stop_watching()
            await self._drain()
            await self._close(conversation.id, conversation.token, conversation.subject)
            if conversation.replaced is not None:
                await self._close(*conversation.replaced, conversation.subject)
            self.conversation = replace(conversation, phase=OVER, token=None, replaced=None)
            await self.services.switchboard.save_conversation(self.room_id, self.conversation, ack)
            _log.info("room %s: conversation %s is over", self.room_id, conversation.id)

    async def _close(self, conversation_id: str, guest_token: str | None, subject: str) -> None:
        """Close a conversation at Salesforce, if it can be reached within `unreachable_seconds`."""
        await close_conversation(
            self.services.salesforce,
            conversation_id,
            guest_token=guest_token,
            subject=subject,
            seconds=self.services.settings.unreachable_seconds,
        )

    async def stop(self) -> None:
        """Stop following, without ending anything."""
        await self._stop_watching()

    def current(self) -> tuple[Conversation, Calls]:
        """The conversation that is loaded, and the calls for it."""
        assert self.conversation is not None, "no conversation is loaded"
        assert self.calls is not None, "no conversation is loaded"
        return self.conversation, self.calls
