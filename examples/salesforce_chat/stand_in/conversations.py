"""What the service does with conversations: for the end user, and for the agents on Salesforce's side."""

import time
import uuid
from collections import defaultdict, deque
from dataclasses import dataclass, replace

from examples.salesforce_chat.stand_in.bodies import Acknowledgements, NewConversation, NewMessage, TypingEntry
from examples.salesforce_chat.stand_in.entries import AGENT, END_USER, SYSTEM, EntryLog
from examples.salesforce_chat.stand_in.errors import Refusal
from examples.salesforce_chat.stand_in.store import JSON, Conversation, Entry, Store
from examples.salesforce_chat.stand_in.tokens import Identity


@dataclass(frozen=True, slots=True)
class Routing:
    """How Omni-Channel answers a new session: an agent accepts, it waits, or nobody is there."""

    mode: str = "accept"
    agent: str = "Sasha"


class Windows:
    """Counts calls within the last minute, by key."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._calls: defaultdict[str, deque[float]] = defaultdict(deque)

    def count(self, key: str) -> None:
        """Raises Refusal (429)."""
        calls, now = self._calls[key], time.monotonic()
        while calls and calls[0] < now - 60:
            calls.popleft()
        if len(calls) >= self._limit:
            raise Refusal(429, "Too many requests.", {"Retry-After": str(int(calls[0] + 60 - now) + 1)})
        calls.append(now)


class Service:
    def __init__(self, store: Store, messages_per_minute: int) -> None:
        self._store = store
        self._messages = Windows(messages_per_minute)
        self.log = EntryLog(store)

    # ------------------------------------------------------------ the end user's side

    def own(self, identity: Identity, conversation_id: str) -> Conversation:
        """Raises Refusal (404, 403)."""
        conversation = self._store.conversation(conversation_id)
        if conversation is None:
            raise Refusal(404, "The conversation does not exist.")
        if conversation.subject != identity.subject:
            raise Refusal(403, "The token's subject is not a participant of the conversation.")
        return conversation

    def create(self, identity: Identity, body: NewConversation) -> None:
        """Create the conversation, unless the subject has it already."""
        if self._store.conversation(body.conversation_id) is not None:
            self.own(identity, body.conversation_id)
            return
        conversation = Conversation(
            id=body.conversation_id,
            subject=identity.subject,
            attributes=body.routing_attributes,
            started=time.time_ns() // 1_000_000,
            closed=False,
            session="Waiting",
            routing="INITIAL",
            agent=None,
            sessions=1,
        )
        self._store.save(conversation)
        self._route(conversation)

    def send(self, identity: Identity, conversation_id: str, body: NewMessage) -> JSON:
        conversation = self._open(identity, conversation_id)
        self._messages.count(conversation_id)
        if conversation.session == "Ended":
            if not body.is_new_messaging_session:
                raise Refusal(417, "The conversation has no messaging session.")
            conversation = replace(conversation, session="Waiting", routing="INITIAL", agent=None)
            conversation = replace(conversation, sessions=conversation.sessions + 1, attributes=body.routing_attributes)
            self._store.save(conversation)
            self._route(conversation)
        message = body.message
        content = {"formatType": "Text", "text": message.static_content.text}
        self.log.say(conversation, message.id, END_USER, "", content, message.in_reply_to_message_id)
        return {"conversationEntries": [{"id": message.id, "clientTimestamp": time.time_ns() // 1_000_000}]}

    def type(self, identity: Identity, conversation_id: str, body: TypingEntry) -> None:
        conversation = self._open(identity, conversation_id)
        started = body.entry_type == "TypingStartedIndicator"
        self.log.typing(conversation, END_USER, "", started=started)

    def acknowledge(self, identity: Identity, conversation_id: str, body: Acknowledgements) -> None:
        conversation = self._open(identity, conversation_id)
        known = {entry.entry["identifier"] for entry in self._store.all_entries(conversation_id)}
        for ack in body.acks:
            if ack.conversation_entry_id not in known:
                raise Refusal(400, f"conversationEntryId {ack.conversation_entry_id} does not exist.")
        for ack in body.acks:
            self.log.acknowledge(conversation, END_USER, ack.entry_type, ack.conversation_entry_id)

    def end_session(self, identity: Identity, conversation_id: str) -> None:
        self._end(self._open(identity, conversation_id), END_USER)

    def close(self, identity: Identity, conversation_id: str) -> None:
        """End the session and close the conversation for ever. Does nothing if it is closed."""
        conversation = self.own(identity, conversation_id)
        if conversation.closed:
            return
        self._end(conversation, END_USER)
        closed = replace(self.own(identity, conversation_id), closed=True)
        self._store.save(closed)
        self.log.closed(closed)

    def _open(self, identity: Identity, conversation_id: str) -> Conversation:
        conversation = self.own(identity, conversation_id)
        if conversation.closed:
            raise Refusal(403, "The conversation is closed.")
        return conversation

    # ------------------------------------------------------------ the agents' side

    def find(self, conversation_id: str) -> Conversation:
        conversation = self._store.conversation(conversation_id)
        if conversation is None:
            raise Refusal(404, "The conversation does not exist.")
        return conversation

    def _serving(self, conversation_id: str) -> Conversation:
        conversation = self.find(conversation_id)
        if conversation.closed or conversation.session == "Ended" or conversation.agent is None:
            raise Refusal(409, "No agent serves the conversation.")
        return conversation

    def say(self, conversation_id: str, content: JSON, key: str | None = None) -> str:
        """An agent says something, once for each key. Returns the id of the message."""
        conversation = self._serving(conversation_id)
        message_id = str(uuid.uuid4() if key is None else uuid.uuid5(uuid.NAMESPACE_URL, key))
        if key and any(one.entry["identifier"] == message_id for one in self._store.all_entries(conversation_id)):
            return message_id
        self.log.say(conversation, message_id, AGENT, conversation.agent or "", content)
        return message_id

    def agent_types(self, conversation_id: str, *, started: bool) -> None:
        conversation = self._serving(conversation_id)
        self.log.typing(conversation, AGENT, conversation.agent or "", started=started)

    def agent_reads(self, conversation_id: str, message_id: str) -> None:
        self.log.acknowledge(self._serving(conversation_id), AGENT, "Read", message_id)

    def join(self, conversation_id: str, agent: str) -> None:
        """An agent accepts the conversation, which waits."""
        conversation = self.find(conversation_id)
        if conversation.agent is not None or conversation.closed or conversation.session == "Ended":
            raise Refusal(409, "The conversation does not wait for an agent.")
        self._joined(conversation, agent)

    def transfer(self, conversation_id: str, agent: str) -> None:
        """The agent hands the conversation to another one."""
        conversation = self._serving(conversation_id)
        moving = replace(conversation, routing="TRANSFER", agent=None)
        self._store.save(moving)
        self.log.participant(moving, "remove", conversation.agent or "")
        self.log.routed(moving, "Transfer", None)
        self._joined(moving, agent)

    def leave(self, conversation_id: str) -> None:
        """The agent leaves, and nobody takes the conversation."""
        conversation = self._serving(conversation_id)
        left = replace(conversation, routing="NEEDS_ROUTING", agent=None)
        self._store.save(left)
        self.log.participant(left, "remove", conversation.agent or "")

    def end(self, conversation_id: str) -> None:
        """The agent ends the session. The conversation stays open."""
        self._end(self._serving(conversation_id), AGENT)

    def set_routing(self, routing: Routing) -> None:
        self._store.set_fact("routing", {"mode": routing.mode, "agent": routing.agent})

    # ------------------------------------------------------------ changes of a session

    def _route(self, conversation: Conversation) -> None:
        routing = Routing(**self._store.fact("routing", {}))
        if routing.mode == "nobody":
            self._store.save(replace(conversation, routing="NEEDS_ROUTING"))
            self.log.routed(conversation, "Initial", "RoutingError")
            return
        self.log.routed(conversation, "Initial", None)
        if routing.mode == "accept":
            self._joined(conversation, routing.agent)

    def _joined(self, conversation: Conversation, agent: str) -> None:
        before = conversation.session
        joined = replace(conversation, session="Active", routing="ROUTED", agent=agent)
        self._store.save(joined)
        self.log.participant(joined, "add", agent)
        if before != "Active":
            self.log.session(joined, "Active", before, SYSTEM)

    def _end(self, conversation: Conversation, role: str) -> None:
        if conversation.session == "Ended":
            return
        ended = replace(conversation, session="Ended", agent=None)
        self._store.save(ended)
        if conversation.agent is not None:
            self.log.participant(ended, "remove", conversation.agent)
        self.log.session(ended, "Ended", conversation.session, role)

    # ------------------------------------------------------------ reading

    def entries(self, conversation_id: str, start: int, end: int, limit: int, *, newest: bool) -> list[Entry]:
        return self._store.listed(conversation_id, start, end, limit, newest=newest)
