"""What users, visitors and rooms are filtered by, as an expression of the one filter language
(storage/filters/expressions.py)."""

from datetime import datetime
from typing import Optional

import strawberry

from schema.base import ids
from schema.base.conditions import (
    CustomFieldFilter,
    Filter,
    IntFilter,
    StringFilter,
    all_of,
    attribute_has,
    attribute_is,
    attribute_is_id,
    attribute_text,
    combined,
    field_conditions,
)
from schema.base.fields import api_input
from schema.base.ids import within
from storage import records
from storage.filters.expressions import EVERYTHING, Expression, Operator


def expression_of(where: Filter | None) -> Expression:
    """What the filter says; no filter says nothing."""
    return EVERYTHING if where is None else _expression(where)


def optional(where: Filter | None) -> Expression | None:
    """What the filter says, where to say nothing is something else than a filter that everything passes."""
    return None if where is None else _expression(where)


def _expression(where: Filter) -> Expression:
    with within("where"):
        return where.expression()


@api_input
class UserFilter:
    """Which users (or agents). All that is given must hold; {} matches every one. null is no value: leave it out
    instead.

    At most 200 conditions, nested at most 10 deep, with at most 500 values in one list; `INVALID_INPUT` beyond.
    """

    and_: list["UserFilter"] | None = strawberry.field(name="and", default=strawberry.UNSET)
    """All of these hold; an empty list always does."""
    or_: list["UserFilter"] | None = strawberry.field(name="or", default=strawberry.UNSET)
    """At least one of these holds; an empty list never does."""
    not_: Optional["UserFilter"] = strawberry.field(name="not", default=strawberry.UNSET)
    """This does not hold."""
    ids: list[strawberry.ID] | None = strawberry.UNSET
    """The id is one of these."""
    username: StringFilter | None = strawberry.UNSET
    """What the username is, without case."""
    name: StringFilter | None = strawberry.UNSET
    """What the name is. Users without a name do not match."""
    email: StringFilter | None = strawberry.UNSET
    """What at least one of the email addresses is, without case."""
    type: records.UserType | None = strawberry.UNSET
    """The user is of this type."""
    active: bool | None = strawberry.UNSET
    """The user is active, or is not."""
    presence: list[records.Presence] | None = strawberry.UNSET
    """The presence is one of these."""
    has_roles: list[str] | None = strawberry.UNSET
    """The user holds all of these roles, given by name."""
    is_agent: bool | None = strawberry.UNSET
    """The user is an omnichannel agent, or is not."""
    agent_status: records.AgentStatus | None = strawberry.UNSET
    """The user is an agent with this status."""
    department_id: strawberry.ID | None = strawberry.UNSET
    """The user is an agent of this department."""
    custom_fields: list[CustomFieldFilter] | None = strawberry.UNSET
    """What the user's custom fields hold; all of these."""

    def expression(self) -> Expression:
        return all_of(
            *combined(self.and_, self.or_, self.not_),
            *attribute_is_id("id", ids.USER, self.ids, "ids"),
            *attribute_text("username", self.username),
            *attribute_text("name", self.name),
            *attribute_text("email", self.email),
            *attribute_is("type", Operator.EQ, self.type),
            *attribute_is("active", Operator.EQ, self.active),
            *attribute_is("presence", Operator.IN, self.presence),
            *attribute_has("role", self.has_roles, "hasRoles"),
            *attribute_is("isAgent", Operator.EQ, self.is_agent),
            *attribute_is("agentStatus", Operator.EQ, self.agent_status),
            *attribute_is_id("department", ids.DEPARTMENT, self.department_id, "departmentId"),
            *field_conditions(self.custom_fields),
        )


@api_input
class VisitorFilter:
    """Which visitors. All that is given must hold; {} matches every one. null is no value: leave it out instead.

    At most 200 conditions, nested at most 10 deep, with at most 500 values in one list; `INVALID_INPUT` beyond.
    """

    and_: list["VisitorFilter"] | None = strawberry.field(name="and", default=strawberry.UNSET)
    """All of these hold; an empty list always does."""
    or_: list["VisitorFilter"] | None = strawberry.field(name="or", default=strawberry.UNSET)
    """At least one of these holds; an empty list never does."""
    not_: Optional["VisitorFilter"] = strawberry.field(name="not", default=strawberry.UNSET)
    """This does not hold."""
    ids: list[strawberry.ID] | None = strawberry.UNSET
    """The id is one of these."""
    token: StringFilter | None = strawberry.UNSET
    """What the token is."""
    name: StringFilter | None = strawberry.UNSET
    """What the name is. Visitors without a name do not match."""
    email: StringFilter | None = strawberry.UNSET
    """What the email address is, without case. Visitors without one do not match."""
    phone: StringFilter | None = strawberry.UNSET
    """What the phone number is, character by character. Visitors without one do not match."""
    custom_fields: list[CustomFieldFilter] | None = strawberry.UNSET
    """What the visitor's custom fields hold; all of these."""

    def expression(self) -> Expression:
        return all_of(
            *combined(self.and_, self.or_, self.not_),
            *attribute_is_id("id", ids.VISITOR, self.ids, "ids"),
            *attribute_text("token", self.token),
            *attribute_text("name", self.name),
            *attribute_text("email", self.email),
            *attribute_text("phone", self.phone),
            *field_conditions(self.custom_fields),
        )


@api_input
class RoomFilter:
    """Which rooms. All that is given must hold; {} matches every one. null is no value: leave it out instead.

    At most 200 conditions, nested at most 10 deep, with at most 500 values in one list; `INVALID_INPUT` beyond.
    """

    and_: list["RoomFilter"] | None = strawberry.field(name="and", default=strawberry.UNSET)
    """All of these hold; an empty list always does."""
    or_: list["RoomFilter"] | None = strawberry.field(name="or", default=strawberry.UNSET)
    """At least one of these holds; an empty list never does."""
    not_: Optional["RoomFilter"] = strawberry.field(name="not", default=strawberry.UNSET)
    """This does not hold."""
    ids: list[strawberry.ID] | None = strawberry.UNSET
    """The id is one of these."""
    status: list[records.RoomStatus] | None = strawberry.UNSET
    """The status is one of these."""
    department_id: strawberry.ID | None = strawberry.UNSET
    """The room belongs to this department."""
    served_by_id: strawberry.ID | None = strawberry.UNSET
    """This agent serves the room now."""
    last_served_by_id: strawberry.ID | None = strawberry.UNSET
    """This agent served the room last, or serves it now."""
    visitor_id: strawberry.ID | None = strawberry.UNSET
    """This visitor started the room."""
    has_department: bool | None = strawberry.UNSET
    """Whether the room belongs to a department."""
    source: StringFilter | None = strawberry.UNSET
    """What the source is."""
    subject: StringFilter | None = strawberry.UNSET
    """What the subject is. Rooms without a subject do not match."""
    has_tags: list[str] | None = strawberry.UNSET
    """The room has all of these tags."""
    has_any_tags: list[str] | None = strawberry.UNSET
    """The room has at least one of these tags; an empty list matches nothing."""
    priority: IntFilter | None = strawberry.UNSET
    """What the priority is."""
    started_after: datetime | None = strawberry.UNSET
    """The room started after this time."""
    started_before: datetime | None = strawberry.UNSET
    """The room started before this time."""
    queued_after: datetime | None = strawberry.UNSET
    """The room has waited since a time after this one. Rooms that do not wait do not match."""
    queued_before: datetime | None = strawberry.UNSET
    """The room has waited since a time before this one. Rooms that do not wait do not match."""
    closed_after: datetime | None = strawberry.UNSET
    """The room was closed after this time."""
    closed_before: datetime | None = strawberry.UNSET
    """The room was closed before this time."""
    custom_fields: list[CustomFieldFilter] | None = strawberry.UNSET
    """What the room's custom fields hold; all of these."""

    def expression(self) -> Expression:
        return all_of(
            *combined(self.and_, self.or_, self.not_),
            *attribute_is_id("id", ids.ROOM, self.ids, "ids"),
            *attribute_is("status", Operator.IN, self.status),
            *attribute_is_id("department", ids.DEPARTMENT, self.department_id, "departmentId"),
            *attribute_is_id("servedBy", ids.AGENT, self.served_by_id, "servedById"),
            *attribute_is_id("lastServedBy", ids.AGENT, self.last_served_by_id, "lastServedById"),
            *attribute_is("department", Operator.EXISTS, self.has_department, "hasDepartment"),
            *attribute_is_id("visitor", ids.VISITOR, self.visitor_id, "visitorId"),
            *attribute_text("source", self.source),
            *attribute_text("subject", self.subject),
            *attribute_has("tag", self.has_tags, "hasTags"),
            *attribute_is("tag", Operator.IN, self.has_any_tags, "hasAnyTags"),
            *attribute_text("priority", self.priority),
            *attribute_is("startedAt", Operator.GT, self.started_after, "startedAfter"),
            *attribute_is("startedAt", Operator.LT, self.started_before, "startedBefore"),
            *attribute_is("queuedAt", Operator.GT, self.queued_after, "queuedAfter"),
            *attribute_is("queuedAt", Operator.LT, self.queued_before, "queuedBefore"),
            *attribute_is("closedAt", Operator.GT, self.closed_after, "closedAfter"),
            *attribute_is("closedAt", Operator.LT, self.closed_before, "closedBefore"),
            *field_conditions(self.custom_fields),
        )
