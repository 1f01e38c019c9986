"""Rooms: the type, as it is now or as it was at an event, and how rooms are found."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

import strawberry

from resolvers import rooms
from resolvers.ordering import Ordering
from schema import agents, departments, messages, visitors
from schema.base import ids
from schema.base.connections import After, Before, Connection, First, Last
from schema.base.fields import (
    api_enum,
    api_input,
    api_one_of,
    api_type,
    as_awaitable,
    describe_enum,
    field,
    or_none,
    query_field,
    scoped_field,
)
from schema.base.filters import RoomFilter, expression_of
from schema.base.lazy_types import AgentRef, DepartmentRef, EventRef, MessageRef, VisitorRef
from schema.base.loaders import PageKey
from schema.base.node import Node
from schema.base.order_direction import OrderDirection, descending
from schema.custom_fields import CustomFieldRef, HasCustomFields, to_field_ref
from schema.events import conversion
from schema.execution.context import Info
from storage import records

describe_enum(
    records.RoomStatus,
    "Where a room is in its life.",
    QUEUED="It waits for an agent.",
    ASSIGNED="An agent serves it.",
    ON_HOLD="An agent keeps it without serving it; it does not count against the agent's limit.",
    CLOSED="It is over. Nothing changes it any more.",
)


@api_type
class Room(HasCustomFields, Node):
    """A conversation between a visitor and whoever serves it.

    In an event it is the room as it was just after the event, with its visitor, department and agents as they were
    then; only its messages and events are read anew.
    """

    status: records.RoomStatus
    """Whether it waits, is served, is on hold or is over."""
    revision: int
    """How often it has changed: 1 at start, and one more with each of its events but `MessageSent`. See
    `ifRevision`."""
    source: str
    """Where it came from: `api`, `widget`, `email`, `sms`, or an app's own word."""
    subject: str | None
    """What it is about."""
    tags: list[str]
    """Its tags without repetition, in the order in which they were added."""
    priority: int
    """How urgent it is: of the rooms that wait, the highest is served first, then the one that waits longest. 0 by
    default."""
    started_at: datetime
    """When it started."""
    assigned_at: datetime | None
    """When it last got an agent; null while none has served it."""
    closed_at: datetime | None
    """When it was closed; null until then."""
    last_message_at: datetime | None
    """When its newest message was sent; null while it has none."""
    close_comment: str | None
    """What was said on closing it."""
    record: strawberry.Private[records.Room]
    snapshot: strawberry.Private[records.RoomSnapshot | None] = None

    @classmethod
    def from_record(cls, record: records.Room, snapshot: records.RoomSnapshot | None = None) -> Self:
        return cls(
            id=ids.ROOM.add(record.id),
            status=record.status,
            revision=record.revision,
            source=record.source,
            subject=record.subject,
            tags=list(record.tags),
            priority=record.priority,
            started_at=record.started_at,
            assigned_at=record.assigned_at,
            closed_at=record.closed_at,
            last_message_at=record.last_message_at,
            close_comment=record.close_comment,
            field_values=record.custom_fields,
            record=record,
            snapshot=snapshot,
        )

    @classmethod
    def from_mutation(cls, record: records.Room, info: Info) -> Self:
        """The room as the mutation of this operation left it, and with it its agent, which need not be read again."""
        agent = rooms.agent_after_change(info.context.resolver_context, record)
        if agent is not None:
            info.context.loaders.users.prime(agent.id, agent)
        return cls.from_record(record)

    @classmethod
    def from_snapshot(cls, snapshot: records.RoomSnapshot) -> Self:
        """The room of an event, with everybody around it, as they were then."""
        return cls.from_record(snapshot.room, snapshot)

    @field
    def visitor(self, info: Info) -> VisitorRef:
        """Who started it."""
        if self.snapshot is not None:
            return visitors.Visitor.from_record(self.snapshot.visitor)
        return as_awaitable(_visitor(info, self.record.visitor_id))

    @field
    def department(self, info: Info) -> DepartmentRef | None:
        """The department it belongs to; null when it belongs to none."""
        if self.snapshot is not None:
            department = self.snapshot.department
            return None if department is None else departments.Department.from_record(department)
        return None if self.record.department_id is None else as_awaitable(_department(info, self.record.department_id))

    @field
    def served_by(self, info: Info) -> AgentRef | None:
        """Who serves it, while it is ASSIGNED or ON_HOLD; null otherwise."""
        if self.snapshot is not None:
            return None if self.snapshot.served_by is None else agents.Agent.from_record(self.snapshot.served_by)
        return None if self.record.served_by_id is None else as_awaitable(_agent(info, self.record.served_by_id))

    @field
    def last_served_by(self, info: Info) -> AgentRef | None:
        """Who served it most recently, whoever serves it now included; stays when it is queued again or closed.

        Somebody who is no agent any more is shown as one without departments, rooms and a limit, and NOT_AVAILABLE.
        """
        if self.snapshot is not None:
            user = self.snapshot.last_served_by
            return None if user is None else agents.Agent.from_record(user)
        return (
            None if self.record.last_served_by_id is None else as_awaitable(_agent(info, self.record.last_served_by_id))
        )

    @field
    def passed_over(self, info: Info) -> list[AgentRef]:
        """The agents that `unassignAgent` took it from. Routing offers it to none of them until another agent has
        served it; `assignAgent`, `takeRoom` and `transferRoom` may still give it to them."""
        passed_over_id = self.record.passed_over_id
        return [] if passed_over_id is None else as_awaitable(_agents(info, [passed_over_id]))

    @scoped_field("messages:read")
    async def messages(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[MessageRef] | None:
        """What was said in it, oldest first."""
        page = await info.context.loaders.messages_of_rooms.load(PageKey(self.record.id, first, after, last, before))
        return Connection.from_page(page, lambda record: messages.Message.from_record(record, room=self))

    @scoped_field("events:read")
    async def events(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[EventRef] | None:
        """What happened to it, oldest first, as far back as events are kept."""
        page = await info.context.loaders.events_of_rooms.load(PageKey(self.record.id, first, after, last, before))
        return Connection.from_page(page, conversion.event_from_fact)


async def _visitor(info: Info, visitor_id: str) -> "visitors.Visitor":
    return visitors.Visitor.from_record(await info.context.loaders.visitors.load(visitor_id))


async def _department(info: Info, department_id: str) -> "departments.Department":
    return departments.Department.from_record(await info.context.loaders.departments.load(department_id))


async def _agent(info: Info, user_id: str) -> "agents.Agent":
    return agents.Agent.from_record(await info.context.loaders.users.load(user_id))


async def _agents(info: Info, user_ids: list[str]) -> "list[agents.Agent]":
    """Those of these users that are agents."""
    users = await info.context.loaders.users.load_many(user_ids)
    return [agents.Agent.from_record(user) for user in users if user.agent is not None]


# ---------------------------------------------------------------- finding rooms


@api_one_of
class RoomBy:
    """One way to name a room."""

    id: strawberry.ID | None = strawberry.UNSET
    """By identity."""
    custom_field: CustomFieldRef | None = strawberry.UNSET
    """By the value of a unique custom field, such as the number of a case in an outside system."""


@api_enum
class RoomOrderField(StrEnum):
    """What rooms can be sorted by. Rooms that are equal in it follow each other in the order in which they started.
    Rooms that hold no value come last in either direction."""

    STARTED_AT = "STARTED_AT"
    """When the room started."""
    PRIORITY = "PRIORITY"
    """How urgent the room is."""
    QUEUE = "QUEUE"
    """As the queue serves them: highest priority first, then longest waiting. Rooms that do not wait come last."""
    CLOSED_AT = "CLOSED_AT"
    """When the room was closed. Rooms that are not closed come last."""
    LAST_MESSAGE_AT = "LAST_MESSAGE_AT"
    """When the newest message of the room was sent. Rooms without messages come last."""
    CUSTOM_FIELD = "CUSTOM_FIELD"
    """The value of the custom field that `customField` names. Rooms without a value come last. `QUERY_TOO_COMPLEX` when
    the field is not unique and more than 10,000 rooms match."""


@api_input
class RoomOrder:
    """How to sort rooms."""

    field: RoomOrderField
    """What to sort by."""
    custom_field: str | None = None
    """The key of a custom field, with CUSTOM_FIELD alone (`INVALID_INPUT`). `UNKNOWN_FIELD` when none is defined under
    this key; `INVALID_INPUT` for a MULTI_SELECT."""
    direction: OrderDirection = OrderDirection.ASC
    """Which end comes first."""

    def ordering(self) -> Ordering:
        return Ordering(self.field.value, descending(self.direction), or_none(self.custom_field))


@api_type
class RoomQueries:
    """Reading rooms."""

    @query_field(rooms.find_room)
    async def room(
        self, info: Info, by: Annotated[RoomBy, strawberry.argument(description="Which room.")]
    ) -> Room | None:
        """One room; null when there is none that you may see."""
        room = await rooms.find_room(
            info.context.resolver_context,
            id=ids.ROOM.take_optional(by.id, "by.id"),
            custom_field=to_field_ref(by.custom_field),
        )
        return None if room is None else Room.from_record(room)

    @query_field(rooms.list_rooms)
    async def rooms(
        self,
        info: Info,
        where: Annotated[
            RoomFilter | None, strawberry.argument(description="Only rooms of which this holds; all when null.")
        ] = None,
        order_by: Annotated[
            RoomOrder | None, strawberry.argument(description="How to sort; those that started first when null.")
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Room] | None:
        """The rooms of which the filter holds and that you may see.

        Apps and admins see every room; a manager those of its departments; an agent those it serves and those that wait
        for somebody like it.
        """
        page = await rooms.list_rooms(
            info.context.resolver_context,
            where=expression_of(where),
            order_by=None if order_by is None else order_by.ordering(),
            first=first,
            after=after,
            last=last,
            before=before,
        )
        return Connection.from_page(page, Room.from_record)
