"""Facts told as events: the one place where every kind of fact gets its type of the API, and the log as a list."""

from typing import Any, TypedDict, assert_never

import strawberry

from resolvers import events
from schema import agents, departments, messages, rooms, users, visitors
from schema.actors import Actor
from schema.apps import App
from schema.custom_fields import CustomFieldDefinition, held
from schema.entity_events import (
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
    UserCreated,
    UserPresenceChanged,
    UserRolesChanged,
    UserUpdated,
    VisitorSaved,
)
from schema.event_types import Event, EventType
from schema.roles import Role
from schema.room_events import (
    AgentAssigned,
    AgentUnassigned,
    MessageSent,
    RoomClosed,
    RoomHeld,
    RoomQueued,
    RoomResumed,
    RoomStarted,
    RoomTransferred,
    RoomUpdated,
)
from schema.scalars import Cursor, Long
from storage import facts, records

#: Every type of event; nothing else refers to them, so the schema has to be told.
EVENT_TYPES = (
    RoomStarted,
    AgentAssigned,
    AgentUnassigned,
    RoomQueued,
    RoomTransferred,
    RoomHeld,
    RoomResumed,
    RoomUpdated,
    RoomClosed,
    MessageSent,
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
    CustomFieldDefined,
    CustomFieldUpdated,
    CustomFieldRemoved,
    AppCreated,
    AppTokenRotated,
    AppRevoked,
)


# ---------------------------------------------------------------- facts to events


class _Common(TypedDict):
    id: strawberry.ID
    cursor: Cursor
    sequence: Long
    type: EventType
    occurred_at: Any
    actor: Actor
    client_mutation_id: str | None


class _CommonOfRooms(_Common):
    room: "rooms.Room"
    room_revision: int


def of(fact: facts.AnyFact) -> Event:
    """The event that tells of the fact."""
    match fact:
        case (
            facts.RoomStarted()
            | facts.AgentAssigned()
            | facts.AgentUnassigned()
            | facts.RoomQueued()
            | facts.RoomTransferred()
            | facts.RoomHeld()
            | facts.RoomResumed()
            | facts.RoomUpdated()
            | facts.RoomClosed()
            | facts.MessageSent()
        ):
            return _of_room(fact)
        case (
            facts.UserCreated()
            | facts.UserUpdated()
            | facts.UserRolesChanged()
            | facts.UserPresenceChanged()
            | facts.AgentAdded()
            | facts.AgentUpdated()
            | facts.AgentRemoved()
            | facts.AgentStatusChanged()
        ):
            return _of_user(fact)
        case facts.VisitorSaved():
            return VisitorSaved(visitor=visitors.Visitor.of(fact.visitor), **_common(fact))
        case facts.DepartmentSaved():
            return DepartmentSaved(department=departments.Department.of(fact.department), **_common(fact))
        case facts.RoleCreated():
            return RoleCreated(role=Role.of(fact.role), **_common(fact))
        case facts.CustomFieldDefined():
            return CustomFieldDefined(definition=CustomFieldDefinition.of(fact.definition), **_common(fact))
        case facts.CustomFieldUpdated():
            return CustomFieldUpdated(definition=CustomFieldDefinition.of(fact.definition), **_common(fact))
        case facts.CustomFieldRemoved():
            return CustomFieldRemoved(definition=CustomFieldDefinition.of(fact.definition), **_common(fact))
        case facts.AppCreated():
            return AppCreated(app=App.of(fact.app), **_common(fact))
        case facts.AppTokenRotated():
            return AppTokenRotated(app=App.of(fact.app), **_common(fact))
        case facts.AppRevoked():
            return AppRevoked(app=App.of(fact.app), **_common(fact))
        case _:
            assert_never(fact)


def _of_room(fact: facts.AnyRoomFact) -> Event:
    match fact:
        case facts.RoomStarted():
            return RoomStarted(**_common_of_rooms(fact))
        case facts.AgentAssigned():
            return AgentAssigned(
                agent=_agent(fact.room.served_by),
                previous_agent=_agent_or_none(fact.previous_agent),
                cause=fact.cause,
                **_common_of_rooms(fact),
            )
        case facts.AgentUnassigned():
            return AgentUnassigned(
                agent=_agent(fact.room.former),
                next_agent=_agent_or_none(fact.next_agent),
                cause=fact.cause,
                comment=fact.comment,
                **_common_of_rooms(fact),
            )
        case facts.RoomQueued():
            return RoomQueued(**_common_of_rooms(fact))
        case facts.RoomTransferred():
            return RoomTransferred(
                from_agent=_agent_or_none(fact.from_agent),
                to_agent=_agent_or_none(fact.to_agent),
                from_department=_department_or_none(fact.from_department),
                to_department=_department_or_none(fact.to_department),
                comment=fact.comment,
                **_common_of_rooms(fact),
            )
        case facts.RoomHeld():
            return RoomHeld(comment=fact.comment, **_common_of_rooms(fact))
        case facts.RoomResumed():
            return RoomResumed(**_common_of_rooms(fact))
        case facts.RoomUpdated():
            return RoomUpdated(
                changes=list(fact.changes),
                previous_custom_fields=held(fact.previous_custom_fields),
                **_common_of_rooms(fact),
            )
        case facts.RoomClosed():
            return RoomClosed(closed_by=Actor.of(fact.actor), comment=fact.comment, **_common_of_rooms(fact))
        case facts.MessageSent():
            common = _common_of_rooms(fact)
            return MessageSent(message=messages.Message.of(fact.message, room=common["room"]), **common)
        case _:
            assert_never(fact)


def _of_user(fact: facts.AnyUserFact) -> Event:
    user = users.User.of(fact.user)
    match fact:
        case facts.UserCreated():
            return UserCreated(user=user, **_common(fact))
        case facts.UserUpdated():
            return UserUpdated(user=user, **_common(fact))
        case facts.UserRolesChanged():
            return UserRolesChanged(user=user, **_common(fact))
        case facts.UserPresenceChanged():
            return UserPresenceChanged(user=user, **_common(fact))
        case facts.AgentAdded():
            return AgentAdded(user=user, **_common(fact))
        case facts.AgentUpdated():
            return AgentUpdated(user=user, **_common(fact))
        case facts.AgentRemoved():
            return AgentRemoved(user=user, **_common(fact))
        case facts.AgentStatusChanged():
            return AgentStatusChanged(user=user, **_common(fact))
        case _:
            assert_never(fact)


def _common(fact: facts.AnyFact) -> _Common:
    return _Common(
        id=strawberry.ID(fact.id),
        cursor=Cursor(events.cursor_of(fact.sequence)),
        sequence=Long(fact.sequence),
        type=EventType(str(fact.__struct_config__.tag)),
        occurred_at=fact.occurred_at,
        actor=Actor.of(fact.actor),
        client_mutation_id=fact.client_mutation_id,
    )


def _common_of_rooms(fact: facts.AnyRoomFact) -> _CommonOfRooms:
    return _CommonOfRooms(room=rooms.Room.at(fact.room), room_revision=fact.room.room.revision, **_common(fact))


def _agent(user: records.User | None) -> "agents.Agent":
    assert user is not None, "an assignment names its agent"
    return agents.Agent.of(user)


def _agent_or_none(user: records.User | None) -> "agents.Agent | None":
    return None if user is None else agents.Agent.of(user)


def _department_or_none(department: records.Department | None) -> "departments.Department | None":
    return None if department is None else departments.Department.of(department)
