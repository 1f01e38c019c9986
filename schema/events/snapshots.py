"""Snapshots: the entities of an event as they were just after it.

They have no `id`. A client's normalized cache would otherwise overwrite an entity with an older state of it.
"""

from collections.abc import Awaitable, Callable
from typing import Self, TypeVar

import strawberry

from resolvers.current_entities import EventEntity
from schema import agents, departments, messages, rooms, users, visitors
from schema.base import ids
from schema.base.fields import api_type, as_awaitable, field
from schema.base.lazy_types import AgentRef, DepartmentRef, MessageRef, RoomRef, UserRef, VisitorRef
from schema.entity_fields import (
    AgentFields,
    DepartmentFields,
    MessageFields,
    RoomFields,
    UserFields,
    VisitorFields,
    profile_of,
)
from schema.execution.context import Info
from schema.message_content import message_values
from storage import message_records, records

Record = TypeVar("Record")
Entity = TypeVar("Entity")


async def read_current(loaded: Awaitable[Record | None], to_entity: Callable[[Record], Entity]) -> Entity | None:
    """The entity of a snapshot as it is now; None if there is none that the caller may see."""
    record = await loaded
    return None if record is None else to_entity(record)


@api_type
class VisitorSnapshot(VisitorFields):
    """A visitor as it was just after an event."""

    visitor_id: strawberry.ID
    """The id of the visitor."""
    event_entity: strawberry.Private[EventEntity]

    @classmethod
    def from_record(cls, record: records.Visitor, *, room_id: str | None = None) -> Self:
        return cls(
            event_entity=EventEntity(record.id, room_id),
            visitor_id=ids.VISITOR.format(record.id),
            token=record.token,
            name=record.name,
            email=record.email,
            phone=record.phone,
            created_at=record.created_at,
            erased_at=record.erased_at,
            field_values=record.custom_fields,
        )

    @field
    def current(self, info: Info) -> VisitorRef | None:
        """The visitor as it is now; null if you may no longer see it."""
        loaded = info.context.loaders.current_visitors.load(self.event_entity)
        return as_awaitable(read_current(loaded, visitors.Visitor.from_record))


@api_type
class DepartmentSnapshot(DepartmentFields):
    """A department as it was just after an event."""

    department_id: strawberry.ID
    """The id of the department."""
    event_entity: strawberry.Private[EventEntity]

    @classmethod
    def from_record(cls, record: records.Department, *, room_id: str | None = None) -> Self:
        return cls(
            event_entity=EventEntity(record.id, room_id),
            department_id=ids.DEPARTMENT.format(record.id),
            name=record.name,
            enabled=record.enabled,
            routing=record.routing,
            external_timeout_seconds=record.external_timeout_seconds,
            fallback_routing=record.fallback_routing,
            when_agent_gone=record.when_agent_gone,
            agent_gone_after_seconds=record.agent_gone_after_seconds,
        )

    @field
    def current(self, info: Info) -> DepartmentRef | None:
        """The department as it is now; null if you may no longer see it."""
        loaded = info.context.loaders.current_departments.load(self.event_entity)
        return as_awaitable(read_current(loaded, departments.Department.from_record))


@api_type
class AgentSnapshot(AgentFields):
    """An agent as it was just after an event. A user who was no longer an agent is shown as one without departments and
    limit, and NOT_AVAILABLE."""

    agent_id: strawberry.ID
    """The id of the agent."""
    user_id: strawberry.ID
    """The id of its user."""
    department_ids: list[strawberry.ID]
    """The ids of the departments in which the agent works, in the order in which the departments were created."""
    record: strawberry.Private[records.User]
    event_entity: strawberry.Private[EventEntity]

    @classmethod
    def from_record(cls, record: records.User, *, room_id: str | None = None) -> Self:
        profile = profile_of(record)
        return cls(
            agent_id=ids.AGENT.format(record.id),
            user_id=ids.USER.format(record.id),
            status=profile.status,
            accepts_routing=profile.accepts_routing,
            max_rooms=profile.max_rooms,
            open_room_count=profile.open_room_count,
            last_assigned_at=profile.last_assigned_at,
            department_ids=[ids.DEPARTMENT.format(one) for one in sorted(profile.department_ids)],
            record=record,
            event_entity=EventEntity(record.id, room_id),
        )

    @field
    def user(self) -> "UserSnapshot":
        """The agent's user."""
        return UserSnapshot.from_record(self.record, room_id=self.event_entity.room_id)

    @field
    def current(self, info: Info) -> AgentRef | None:
        """The agent as it is now; null if the user is no longer an agent, or if you may no longer see it."""
        return as_awaitable(read_current(info.context.loaders.current_users.load(self.event_entity), _agent_or_none))


@api_type
class UserSnapshot(UserFields):
    """A user as it was just after an event."""

    user_id: strawberry.ID
    """The id of the user."""
    roles: list[str]
    """The names of the user's roles, in alphabetical order."""
    record: strawberry.Private[records.User]
    event_entity: strawberry.Private[EventEntity]

    @classmethod
    def from_record(cls, record: records.User, *, room_id: str | None = None) -> Self:
        return cls(
            user_id=ids.USER.format(record.id),
            username=record.username,
            name=record.name,
            emails=list(record.emails),
            type=record.type,
            active=record.active,
            presence=record.presence,
            created_at=record.created_at,
            updated_at=record.updated_at,
            roles=list(record.roles),
            field_values=record.custom_fields,
            record=record,
            event_entity=EventEntity(record.id, room_id),
        )

    @field
    def agent(self) -> AgentSnapshot | None:
        """The user as an omnichannel agent; null if it was not one."""
        if self.record.agent is None:
            return None
        return AgentSnapshot.from_record(self.record, room_id=self.event_entity.room_id)

    @field
    def current(self, info: Info) -> UserRef | None:
        """The user as it is now; null if you may no longer see it."""
        return as_awaitable(
            read_current(info.context.loaders.current_users.load(self.event_entity), users.User.from_record)
        )


def _agent_or_none(user: records.User) -> "agents.Agent | None":
    return None if user.agent is None else agents.Agent.from_record(user)


@api_type
class RoomSnapshot(RoomFields):
    """A room as it was just after an event, with its visitor, department and agents at that time."""

    room_id: strawberry.ID
    """The id of the room."""
    snapshot: strawberry.Private[records.RoomSnapshot]

    @classmethod
    def from_record(cls, snapshot: records.RoomSnapshot) -> Self:
        record = snapshot.room
        return cls(
            room_id=ids.ROOM.format(record.id),
            status=record.status,
            revision=record.revision,
            source=record.source,
            subject=record.subject,
            tags=list(record.tags),
            priority=record.priority,
            started_at=record.started_at,
            assigned_at=record.assigned_at,
            queued_at=record.queued_at,
            external_until=record.external_until,
            closed_at=record.closed_at,
            close_comment=record.close_comment,
            field_values=record.custom_fields,
            snapshot=snapshot,
        )

    @field
    def visitor(self) -> VisitorSnapshot:
        """The visitor."""
        return VisitorSnapshot.from_record(self.snapshot.visitor, room_id=self.snapshot.room.id)

    @field
    def department(self) -> DepartmentSnapshot | None:
        """The room's department; null if it had none."""
        department = self.snapshot.department
        if department is None:
            return None
        return DepartmentSnapshot.from_record(department, room_id=self.snapshot.room.id)

    @field
    def served_by(self) -> AgentSnapshot | None:
        """The agent that served the room, while it was ASSIGNED or ON_HOLD; null otherwise."""
        user = self.snapshot.served_by
        return None if user is None else AgentSnapshot.from_record(user, room_id=self.snapshot.room.id)

    @field
    def last_served_by(self) -> AgentSnapshot | None:
        """The agent that served the room most recently, including the agent of `servedBy`; null if it never had
        one."""
        user = self.snapshot.last_served_by
        return None if user is None else AgentSnapshot.from_record(user, room_id=self.snapshot.room.id)

    @field
    def current(self, info: Info) -> RoomRef | None:
        """The room as it is now; null if you may no longer see it."""
        loaded = info.context.loaders.current_rooms.load(self.snapshot.room.id)
        return as_awaitable(read_current(loaded, rooms.Room.from_record))


@api_type
class MessageSnapshot(MessageFields):
    """A message as it was just after an event."""

    message_id: strawberry.ID
    """The id of the message."""
    in_reply_to_id: strawberry.ID | None
    """The id of the message that it replies to. Null if it is no reply."""
    event_entity: strawberry.Private[EventEntity]

    @classmethod
    def from_record(cls, record: message_records.Message) -> Self:
        return cls(
            message_id=ids.MESSAGE.format(record.id),
            in_reply_to_id=ids.MESSAGE.format_optional(record.in_reply_to_id),
            event_entity=EventEntity(record.id, record.room_id),
            **message_values(record),
        )

    @field
    def current(self, info: Info) -> MessageRef | None:
        """The message as it is now; null if you may no longer see its room."""
        loaded = info.context.loaders.current_messages.load(self.event_entity)
        return as_awaitable(read_current(loaded, messages.Message.from_record))
