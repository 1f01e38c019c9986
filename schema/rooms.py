"""Rooms: the type and the queries."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

import msgspec
import strawberry

from resolvers import agent_filters, rooms
from resolvers.ordering import Ordering
from schema import agents, assignments, departments, messages, visitors
from schema.app_data import AppDatum, DataKey, find_datum
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
from schema.base.lazy_types import AgentRef, AssignmentRef, DepartmentRef, EventRef, MessageRef, VisitorRef
from schema.base.loaders import PageKey
from schema.base.node import Node
from schema.base.order_direction import OrderDirection, descending
from schema.base.scalars import JSON
from schema.custom_fields import CustomFieldRef, to_field_ref
from schema.entity_fields import RoomFields
from schema.execution.context import Info
from storage import records
from storage.app_data import DataOwner

describe_enum(
    records.RoomStatus,
    "The status of a room.",
    QUEUED="The room waits for an agent.",
    ASSIGNED="An agent serves the room.",
    ON_HOLD="The room is paused. It keeps its agent, and does not count towards the agent's limit.",
    CLOSED="The conversation has ended. Only messages of a closed room can be edited and redacted.",
)


@api_type
class Room(Node, RoomFields):
    """A conversation between a visitor and an agent."""

    last_message_at: datetime | None
    """When the last message was sent. Null if there are no messages."""
    record: strawberry.Private[records.Room]
    #: The agent that serves the room, if it is in memory.
    agent: strawberry.Private[records.User | None] = None

    @classmethod
    def from_record(cls, record: records.Room, *, agent: records.User | None = None) -> Self:
        return cls(
            id=ids.ROOM.format(record.id),
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
            last_message_at=record.last_message_at,
            close_comment=record.close_comment,
            field_values=record.custom_fields,
            record=record,
            agent=agent,
        )

    @classmethod
    def from_mutation(cls, record: records.Room, info: Info) -> Self:
        """The room after the mutation of this operation, with its agent from memory, which is not read again."""
        return cls.from_record(record, agent=rooms.agent_after_change(info.context.resolver_context, record))

    @field
    def visitor(self, info: Info) -> VisitorRef:
        """The visitor who started the room."""
        return as_awaitable(_visitor(info, self.record.visitor_id))

    @field
    def department(self, info: Info) -> DepartmentRef | None:
        """The department of the room. Null if it has none."""
        return None if self.record.department_id is None else as_awaitable(_department(info, self.record.department_id))

    @field
    def served_by(self, info: Info) -> AgentRef | None:
        """The agent of the room if it is ASSIGNED or ON_HOLD, null otherwise."""
        return self._agent(info, self.record.served_by_id)

    @field
    def last_served_by(self, info: Info) -> AgentRef | None:
        """The last agent of the room, including the present one. It remains when the room is queued again or closed.

        A user who is no longer an agent is returned as an agent who is NOT_AVAILABLE, without departments, rooms and
        limit.
        """
        return self._agent(info, self.record.last_served_by_id)

    def _agent(self, info: Info, agent_id: str | None) -> AgentRef | None:
        if agent_id is None:
            return None
        if self.agent is not None and self.agent.id == agent_id:
            return agents.Agent.from_record(self.agent)
        return as_awaitable(_agent(info, agent_id))

    @field
    def passed_over(self, info: Info) -> list[AgentRef]:
        """The agents that `unassignAgent` removed from the room. Routing does not offer the room to them until another
        agent has served it. They can still get it by `assignAgent`, `takeRoom` and `transferRoom`."""
        passed_over_id = self.record.passed_over_id
        return [] if passed_over_id is None else as_awaitable(_agents(info, [passed_over_id]))

    @field
    async def agent_filter(self, info: Info) -> JSON | None:
        """The filter of agents for routing, as it was given. Null if there is none, after its end
        (`agentFilterSeconds`), and if one of its custom fields was removed."""
        room = await agent_filters.find_in_force(info.context.resolver_context, self.record)
        return None if room is None or room.agent_filter is None else msgspec.json.decode(room.agent_filter)

    @field
    async def agent_filter_until(self, info: Info) -> datetime | None:
        """When `agentFilter` ends. Null: never, or there is none."""
        room = await agent_filters.find_in_force(info.context.resolver_context, self.record)
        return None if room is None else room.agent_filter_until

    @scoped_field("messages:read")
    async def messages(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[MessageRef] | None:
        """The messages of the room, oldest first."""
        page = await info.context.loaders.messages_of_rooms.load(PageKey(self.record.id, first, after, last, before))
        return Connection.from_page(page, lambda record: messages.Message.from_record(record, room=self))

    @scoped_field("messages:read")
    async def last_message(self, info: Info) -> MessageRef | None:
        """The newest message that you may see. Null if there is none."""
        page = await info.context.loaders.messages_of_rooms.load(PageKey(self.record.id, None, None, 1, None))
        return messages.Message.from_record(page.items[-1], room=self) if page.items else None

    @field
    async def assignments(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[AssignmentRef] | None:
        """Which agents served the room, oldest first. They are stored as long as the room, unlike events. Those from
        before this was recorded are missing."""
        page = await info.context.loaders.assignments_of_rooms.load(PageKey(self.record.id, first, after, last, before))
        return Connection.from_page(page, assignments.Assignment.from_record)

    @scoped_field("rooms:read", per_caller=True)
    async def app_data(self, info: Info, key: DataKey) -> AppDatum | None:
        """What your app keeps beside the room under this key (`setAppData`). Null if there is nothing. For apps
        only."""
        return await find_datum(info, DataOwner.ROOM, self.record.id, key)

    @scoped_field("events:read")
    async def events(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[EventRef] | None:
        """The events of the room that are still in the log, oldest first."""
        # Imported here, because the types of events refer to rooms.
        from schema.events.conversion import event_from_fact

        page = await info.context.loaders.events_of_rooms.load(PageKey(self.record.id, first, after, last, before))
        return Connection.from_page(page, event_from_fact)


async def _visitor(info: Info, visitor_id: str) -> "visitors.Visitor":
    return visitors.Visitor.from_record(await info.context.loaders.visitors.load(visitor_id))


async def _department(info: Info, department_id: str) -> "departments.Department":
    return departments.Department.from_record(await info.context.loaders.departments.load(department_id))


async def _agent(info: Info, user_id: str) -> "agents.Agent":
    return agents.Agent.from_record(await info.context.loaders.users.load(user_id))


async def _agents(info: Info, user_ids: list[str]) -> "list[agents.Agent]":
    """The agents among these users."""
    users = await info.context.loaders.users.load_many(user_ids)
    return [agents.Agent.from_record(user) for user in users if user.agent is not None]


# ---------------------------------------------------------------- queries


@api_one_of
class RoomBy:
    """How to identify a room."""

    id: strawberry.ID | None = strawberry.UNSET
    """The id."""
    custom_field: CustomFieldRef | None = strawberry.UNSET
    """The value of a unique custom field, such as a case number of another system."""


@api_enum
class RoomOrderField(StrEnum):
    """What rooms can be sorted by. Rooms with equal values are in the order in which they started. Rooms without a
    value come last in both directions."""

    STARTED_AT = "STARTED_AT"
    """The start time."""
    PRIORITY = "PRIORITY"
    """The priority."""
    QUEUE = "QUEUE"
    """The order of the queue: the highest priority first, then the room that has waited longest. Rooms that are not
    QUEUED come last."""
    CLOSED_AT = "CLOSED_AT"
    """The closing time. Rooms that are not closed come last."""
    LAST_MESSAGE_AT = "LAST_MESSAGE_AT"
    """The time of the last message. Rooms without messages come last."""
    CUSTOM_FIELD = "CUSTOM_FIELD"
    """The value of the custom field with the key `customField`. Rooms without a value come last. `QUERY_TOO_COMPLEX` if
    the field is not unique and more than 10,000 rooms match."""


@api_input
class RoomOrder:
    """The order of a list of rooms."""

    field: RoomOrderField
    """The property to sort by."""
    custom_field: str | None = None
    """For CUSTOM_FIELD: the key of the custom field. `INVALID_INPUT` for another `field`, `UNKNOWN_FIELD` if no custom
    field has this key, `INVALID_INPUT` for a MULTI_SELECT."""
    direction: OrderDirection = OrderDirection.ASC
    """The direction."""

    def ordering(self) -> Ordering:
        return Ordering(self.field.value, descending(self.direction), or_none(self.custom_field))


@api_type
class RoomQueries:
    """Queries of rooms."""

    @query_field(rooms.find_room, visitors=True)
    async def room(
        self, info: Info, by: Annotated[RoomBy, strawberry.argument(description="Which room.")]
    ) -> Room | None:
        """One room. Null if there is no such room that you may read."""
        room = await rooms.find_room(
            info.context.resolver_context,
            id=ids.ROOM.parse_optional(by.id, "by.id"),
            custom_field=to_field_ref(by.custom_field),
        )
        return None if room is None else Room.from_record(room)

    @query_field(rooms.list_rooms, visitors=True)
    async def rooms(
        self,
        info: Info,
        where: Annotated[
            RoomFilter | None,
            strawberry.argument(description="Returns only rooms that match this filter. All rooms if null."),
        ] = None,
        order_by: Annotated[
            RoomOrder | None,
            strawberry.argument(description="The order of the list. By start time, oldest first, if null."),
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Room] | None:
        """The rooms that match the filter and that you may read.

        Apps and admins may read all rooms, managers the rooms of their departments, and agents the rooms they serve and
        the queued rooms they could take.
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
