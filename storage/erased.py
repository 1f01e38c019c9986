"""What remains of a visitor, and of its rooms, messages and facts, once the visitor is erased. No input and no output.

Ids, times, numbers, types and the people who work stay. What a person is called, wrote or was asked goes.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from storage.changes import Change
from storage.facts import Fact, MessageEdited, MessageFact, RoomFact, TimerElapsed, VisitorSaved
from storage.message_records import Message
from storage.records import Actor, ActorType, Room, Visitor

F = TypeVar("F", bound=Fact)

replace = msgspec.structs.replace

#: The tokens of erased visitors begin with it, and no others.
TOKEN_PREFIX = "erased-"  # noqa: S105 - it opens nothing
#: Texts of facts about rooms, by the names of the attributes.
_TEXTS = ("comment", "reason", "data_json")


def erased_visitor(visitor: Visitor, at: datetime) -> Visitor:
    """The visitor without what is known of the person, and with a token that opens nothing."""
    return replace(
        visitor,
        token=f"{TOKEN_PREFIX}{visitor.id}",
        name=None,
        email=None,
        phone=None,
        custom_fields={},
        erased_at=visitor.erased_at or at,
    )


def erased_room(room: Room, at: datetime) -> Room:
    """The room without what people and apps wrote about the conversation."""
    return replace(
        room,
        subject=None,
        tags=(),
        custom_fields={},
        agent_filter=None,
        agent_filter_expression=None,
        agent_filter_until=None,
        close_comment=None,
        erased_at=room.erased_at or at,
    )


def erased_message(message: Message, at: datetime) -> Message:
    """The message as it is once redacted, and without the label of its choice and the name of the visitor."""
    return replace(
        message.without_content(message.redacted_at or at),
        sender=erased_actor(message.sender),
        choice=None if message.choice is None else replace(message.choice, label=""),
    )


def erased_actor(actor: Actor) -> Actor:
    """The actor without the name, if it is a visitor."""
    return replace(actor, name=None) if actor.type is ActorType.VISITOR else actor


def erased_fact(fact: F, at: datetime) -> F:
    """The fact about the visitor or one of its rooms, without what the visitor, the room and the message lose."""
    changed: dict[str, Any] = {"actor": erased_actor(fact.actor)}
    if isinstance(fact, VisitorSaved):
        changed["visitor"] = erased_visitor(fact.visitor, at)
    if isinstance(fact, RoomFact):
        snapshot = fact.room
        changed["room"] = replace(
            snapshot, room=erased_room(snapshot.room, at), visitor=erased_visitor(snapshot.visitor, at)
        )
        if fact.before is not None:
            changed["before"] = replace(fact.before, subject=None, tags=(), custom_fields={})
    if isinstance(fact, MessageFact):
        changed["message"] = erased_message(fact.message, at)
    if isinstance(fact, MessageEdited):
        changed["previous_text"] = ""
    if isinstance(fact, TimerElapsed):
        changed["set_by"] = erased_actor(fact.set_by)
    if changes := getattr(fact, "changes", ()):
        changed["changes"] = tuple(Change(change.field) for change in changes)
    changed |= {name: None for name in _TEXTS if name in fact.__struct_fields__}
    return replace(fact, **changed)


def is_erased(fact: Fact) -> bool:
    """Whether the fact is recorded without what erasing its visitor removes. True for facts about other subjects."""
    if isinstance(fact, RoomFact):
        return fact.room.room.erased_at is not None
    return not isinstance(fact, VisitorSaved) or fact.visitor.erased_at is not None


def records_erasure(facts: Iterable[Fact]) -> bool:
    """Whether one of the facts concerns a visitor, and is recorded without what erasing the visitor removes."""
    for fact in facts:
        match fact:
            case RoomFact(room=snapshot) if snapshot.room.erased_at is not None:
                return True
            case VisitorSaved(visitor=visitor) if visitor.erased_at is not None:
                return True
    return False


def visitor_id_of(fact: Fact) -> str | None:
    """The id of the visitor whom the fact concerns."""
    if isinstance(fact, RoomFact):
        return fact.room.visitor.id
    return fact.visitor.id if isinstance(fact, VisitorSaved) else None
