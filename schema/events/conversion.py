"""Conversion of facts to events. Each type of fact has a type of event of the same name."""

import json
from typing import Any, TypedDict, assert_never

import strawberry

from resolvers import events
from schema.actors import Actor
from schema.base import ids
from schema.base.scalars import Cursor, Long
from schema.events.changes import to_changes
from schema.events.configuration_snapshots import AppSnapshot, FieldDefinitionSnapshot, RoleSnapshot
from schema.events.entity_events import (
    AgentAdded,
    AgentRemoved,
    AgentStatusChanged,
    AgentUpdated,
    AppCreated,
    AppRevoked,
    AppTokenRotated,
    CustomFieldDefined,
    CustomFieldRemoved,
    CustomFieldUpdated,
    DepartmentSaved,
    RoleCreated,
    RoleUpdated,
    UserCreated,
    UserPresenceChanged,
    UserRolesChanged,
    UserUpdated,
    VisitorSaved,
)
from schema.events.event_types import Event, EventType
from schema.events.room_events import (
    AgentAssigned,
    AgentUnassigned,
    MessageEdited,
    MessageRedacted,
    MessageSent,
    RoomClosed,
    RoomHeld,
    RoomQueued,
    RoomResumed,
    RoomStarted,
    RoomTransferred,
    RoomUpdated,
    RoutingDeclined,
    RoutingRequested,
    TimerElapsed,
)
from schema.events.snapshots import (
    DepartmentSnapshot,
    MessageSnapshot,
    UserSnapshot,
    VisitorSnapshot,
)
from storage import facts

#: All types of events. No field has these types, so they are passed to the schema explicitly.
EVENT_TYPES = (
    RoomStarted,
    RoutingRequested,
    RoutingDeclined,
    AgentAssigned,
    AgentUnassigned,
    RoomQueued,
    RoomTransferred,
    RoomHeld,
    RoomResumed,
    RoomUpdated,
    RoomClosed,
    MessageSent,
    MessageEdited,
    MessageRedacted,
    TimerElapsed,
    VisitorSaved,
    UserCreated,
    UserUpdated,
    UserRolesChanged,
    UserPresenceChanged,
    AgentAdded,
    AgentUpdated,
    AgentRemoved,
    AgentStatusChanged,
    DepartmentSaved,
    RoleCreated,
    RoleUpdated,
    CustomFieldDefined,
    CustomFieldUpdated,
    CustomFieldRemoved,
    AppCreated,
    AppTokenRotated,
    AppRevoked,
)


# ---------------------------------------------------------------- facts to events


class _EventFields(TypedDict):
    id: strawberry.ID
    cursor: Cursor
    sequence: Long
    type: EventType
    occurred_at: Any
    actor: Actor
    client_mutation_id: str | None


class _RoomEventFields(_EventFields):
    fact: Any  # of the type that the event declares
    room_revision: int


def event_from_fact(fact: facts.AnyFact) -> Event:
    """The event of a fact."""
    if isinstance(fact, facts.RoomFact):
        return _room_event(fact)
    if isinstance(fact, facts.UserFact):
        return _user_event(fact)
    return _other_event(fact)


def _other_event(fact: facts.AnyOtherFact) -> Event:
    match fact:
        case facts.VisitorSaved():
            return VisitorSaved(
                visitor=VisitorSnapshot.from_record(fact.visitor),
                created=fact.subject_number == 1,
                changes=to_changes(fact.changes, fact.visitor),
                **_event_fields(fact),
            )
        case facts.DepartmentSaved():
            return DepartmentSaved(
                department=DepartmentSnapshot.from_record(fact.department),
                created=fact.subject_number == 1,
                changes=to_changes(fact.changes, fact.department),
                **_event_fields(fact),
            )
        case facts.RoleCreated():
            return RoleCreated(role=RoleSnapshot.from_record(fact.role), **_event_fields(fact))
        case facts.RoleUpdated():
            return RoleUpdated(
                role=RoleSnapshot.from_record(fact.role),
                changes=to_changes(fact.changes, fact.role),
                **_event_fields(fact),
            )
        case facts.CustomFieldDefined():
            return CustomFieldDefined(
                definition=FieldDefinitionSnapshot.from_record(fact.definition), **_event_fields(fact)
            )
        case facts.CustomFieldUpdated():
            return CustomFieldUpdated(
                definition=FieldDefinitionSnapshot.from_record(fact.definition),
                changes=to_changes(fact.changes, fact.definition),
                **_event_fields(fact),
            )
        case facts.CustomFieldRemoved():
            return CustomFieldRemoved(
                definition=FieldDefinitionSnapshot.from_record(fact.definition), **_event_fields(fact)
            )
        case facts.AppCreated():
            return AppCreated(app=AppSnapshot.from_record(fact.app), **_event_fields(fact))
        case facts.AppTokenRotated():
            return AppTokenRotated(app=AppSnapshot.from_record(fact.app), **_event_fields(fact))
        case facts.AppRevoked():
            return AppRevoked(app=AppSnapshot.from_record(fact.app), **_event_fields(fact))
        case _:
            assert_never(fact)


def _room_event(fact: facts.AnyRoomFact) -> Event:
    match fact:
        case facts.RoomStarted():
            return RoomStarted(**_room_event_fields(fact))
        case facts.RoutingRequested():
            return RoutingRequested(
                until=fact.room.room.external_until,
                attempt=fact.room.room.routing_attempts,
                **_room_event_fields(fact),
            )
        case facts.RoutingDeclined():
            return RoutingDeclined(reason=fact.reason, **_room_event_fields(fact))
        case facts.AgentAssigned():
            return AgentAssigned(cause=fact.cause, **_room_event_fields(fact))
        case facts.AgentUnassigned():
            return AgentUnassigned(cause=fact.cause, comment=fact.comment, **_room_event_fields(fact))
        case facts.RoomQueued():
            return RoomQueued(**_room_event_fields(fact))
        case facts.RoomTransferred():
            return RoomTransferred(comment=fact.comment, **_room_event_fields(fact))
        case facts.RoomHeld():
            return RoomHeld(comment=fact.comment, **_room_event_fields(fact))
        case facts.RoomResumed():
            return RoomResumed(**_room_event_fields(fact))
        case facts.RoomUpdated():
            return RoomUpdated(changes=to_changes(fact.changes, fact.room.room), **_room_event_fields(fact))
        case facts.RoomClosed():
            return RoomClosed(closed_by=Actor.from_record(fact.actor), comment=fact.comment, **_room_event_fields(fact))
        case facts.MessageSent():
            return MessageSent(message=_message(fact), **_room_event_fields(fact))
        case facts.MessageEdited():
            return MessageEdited(message=_message(fact), previous_text=fact.previous_text, **_room_event_fields(fact))
        case facts.MessageRedacted():
            return MessageRedacted(message=_message(fact), reason=fact.reason, **_room_event_fields(fact))
        case facts.TimerElapsed():
            return TimerElapsed(
                name=fact.name,
                data=None if fact.data_json is None else json.loads(fact.data_json),
                set_by=Actor.from_record(fact.set_by),
                **_room_event_fields(fact),
            )
        case _:
            assert_never(fact)


def _user_event(fact: facts.AnyUserFact) -> Event:
    user = UserSnapshot.from_record(fact.user)
    match fact:
        case facts.UserCreated():
            return UserCreated(user=user, **_event_fields(fact))
        case facts.UserUpdated():
            return UserUpdated(user=user, changes=to_changes(fact.changes, fact.user), **_event_fields(fact))
        case facts.UserRolesChanged():
            return UserRolesChanged(user=user, changes=to_changes(fact.changes, fact.user), **_event_fields(fact))
        case facts.UserPresenceChanged():
            return UserPresenceChanged(user=user, changes=to_changes(fact.changes, fact.user), **_event_fields(fact))
        case facts.AgentAdded():
            return AgentAdded(user=user, **_event_fields(fact))
        case facts.AgentUpdated():
            return AgentUpdated(user=user, changes=to_changes(fact.changes, fact.user), **_event_fields(fact))
        case facts.AgentRemoved():
            return AgentRemoved(user=user, **_event_fields(fact))
        case facts.AgentStatusChanged():
            return AgentStatusChanged(user=user, changes=to_changes(fact.changes, fact.user), **_event_fields(fact))
        case _:
            assert_never(fact)


def _event_fields(fact: facts.AnyFact) -> _EventFields:
    return _EventFields(
        id=ids.EVENT.format(fact.id),
        cursor=Cursor(events.cursor_of(fact.sequence)),
        sequence=Long(fact.sequence),
        type=EventType(str(fact.__struct_config__.tag)),
        occurred_at=fact.occurred_at,
        actor=Actor.from_record(fact.actor),
        client_mutation_id=fact.client_mutation_id,
    )


def _room_event_fields(fact: facts.AnyRoomFact) -> _RoomEventFields:
    return _RoomEventFields(fact=fact, room_revision=fact.room.room.revision, **_event_fields(fact))


def _message(fact: facts.MessageFact) -> MessageSnapshot:
    return MessageSnapshot.from_record(fact.message)
