"""The filters of users, visitors and rooms, and their conversion to expressions (storage/filters/expressions.py)."""

from datetime import datetime
from typing import Optional

import strawberry

from resolvers.agent_filters import GivenFilter
from schema.base import ids
from schema.base.conditions import (
    CustomFieldFilter,
    Filter,
    IntFilter,
    StringFilter,
    all_of,
    as_given,
    attribute_has,
    attribute_is,
    attribute_is_id,
    attribute_text,
    combined,
    field_conditions,
)
from schema.base.fields import api_input
from schema.base.ids import key_prefix
from storage import records
from storage.filters.expressions import EVERYTHING, Expression, Operator


def expression_of(where: Filter | None) -> Expression:
    """The expression of a filter. Without a filter, the expression that matches everything."""
    return EVERYTHING if where is None else _expression(where)


def optional(where: Filter | None) -> Expression | None:
    """The expression of a filter, or None without a filter."""
    return None if where is None else _expression(where)


def _expression(where: Filter, argument: str = "where") -> Expression:
    with key_prefix(argument):
        return where.expression()


def given_agent_filter(where: "UserFilter | None") -> GivenFilter | None:
    """The filter of agents as it was given."""
    return None if where is None else GivenFilter(given=as_given(where), expression=_expression(where, "agentFilter"))


@api_input
class UserFilter:
    """A filter of users or agents. A user matches if all conditions hold; `{}` matches all users. `INVALID_INPUT` for
    null: leave a condition out instead.

    A filter may have 200 conditions, 10 levels, and 500 values in a list. `INVALID_INPUT` for more.
    """

    and_: list["UserFilter"] | None = strawberry.field(name="and", default=strawberry.UNSET)
    """All of these filters match. True for an empty list."""
    or_: list["UserFilter"] | None = strawberry.field(name="or", default=strawberry.UNSET)
    """At least one of these filters matches. False for an empty list."""
    not_: Optional["UserFilter"] = strawberry.field(name="not", default=strawberry.UNSET)
    """This filter does not match."""
    ids: list[strawberry.ID] | None = strawberry.UNSET
    """The id is one of these."""
    username: StringFilter | None = strawberry.UNSET
    """The username matches; case is ignored."""
    name: StringFilter | None = strawberry.UNSET
    """The name matches. Users without a name do not match."""
    email: StringFilter | None = strawberry.UNSET
    """At least one of the email addresses matches; case is ignored."""
    type: records.UserType | None = strawberry.UNSET
    """The user is of this type."""
    active: bool | None = strawberry.UNSET
    """The user is active (true) or inactive (false)."""
    presence: list[records.Presence] | None = strawberry.UNSET
    """The presence is one of these."""
    has_roles: list[str] | None = strawberry.UNSET
    """The user has all of the roles with these names."""
    is_agent: bool | None = strawberry.UNSET
    """The user is an omnichannel agent (true) or not (false)."""
    agent_status: records.AgentStatus | None = strawberry.UNSET
    """The user is an agent with this status."""
    department_id: strawberry.ID | None = strawberry.UNSET
    """The user is an agent who works in this department."""
    custom_fields: list[CustomFieldFilter] | None = strawberry.UNSET
    """The user's custom fields match all of these conditions."""

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
    """A filter of visitors. A visitor matches if all conditions hold; `{}` matches all visitors. `INVALID_INPUT` for
    null: leave a condition out instead.

    A filter may have 200 conditions, 10 levels, and 500 values in a list. `INVALID_INPUT` for more.
    """

    and_: list["VisitorFilter"] | None = strawberry.field(name="and", default=strawberry.UNSET)
    """All of these filters match. True for an empty list."""
    or_: list["VisitorFilter"] | None = strawberry.field(name="or", default=strawberry.UNSET)
    """At least one of these filters matches. False for an empty list."""
    not_: Optional["VisitorFilter"] = strawberry.field(name="not", default=strawberry.UNSET)
    """This filter does not match."""
    ids: list[strawberry.ID] | None = strawberry.UNSET
    """The id is one of these."""
    token: StringFilter | None = strawberry.UNSET
    """The token matches."""
    name: StringFilter | None = strawberry.UNSET
    """The name matches. Visitors without a name do not match."""
    email: StringFilter | None = strawberry.UNSET
    """The email address matches; case is ignored. Visitors without an email address do not match."""
    phone: StringFilter | None = strawberry.UNSET
    """The phone number matches, character by character. Visitors without a phone number do not match."""
    custom_fields: list[CustomFieldFilter] | None = strawberry.UNSET
    """The visitor's custom fields match all of these conditions."""

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
    """A filter of rooms. A room matches if all conditions hold; `{}` matches all rooms. `INVALID_INPUT` for null: leave
    a condition out instead.

    A filter may have 200 conditions, 10 levels, and 500 values in a list. `INVALID_INPUT` for more.
    """

    and_: list["RoomFilter"] | None = strawberry.field(name="and", default=strawberry.UNSET)
    """All of these filters match. True for an empty list."""
    or_: list["RoomFilter"] | None = strawberry.field(name="or", default=strawberry.UNSET)
    """At least one of these filters matches. False for an empty list."""
    not_: Optional["RoomFilter"] = strawberry.field(name="not", default=strawberry.UNSET)
    """This filter does not match."""
    ids: list[strawberry.ID] | None = strawberry.UNSET
    """The id is one of these."""
    status: list[records.RoomStatus] | None = strawberry.UNSET
    """The status is one of these."""
    department_id: strawberry.ID | None = strawberry.UNSET
    """The room belongs to this department."""
    served_by_id: strawberry.ID | None = strawberry.UNSET
    """This agent serves the room now."""
    last_served_by_id: strawberry.ID | None = strawberry.UNSET
    """This agent serves the room now, or was the last agent who served it."""
    visitor_id: strawberry.ID | None = strawberry.UNSET
    """This visitor started the room."""
    has_department: bool | None = strawberry.UNSET
    """The room belongs to a department (true) or to none (false)."""
    source: StringFilter | None = strawberry.UNSET
    """The source matches."""
    subject: StringFilter | None = strawberry.UNSET
    """The subject matches. Rooms without a subject do not match."""
    has_tags: list[str] | None = strawberry.UNSET
    """The room has all of these tags."""
    has_any_tags: list[str] | None = strawberry.UNSET
    """The room has at least one of these tags. Matches nothing for an empty list."""
    priority: IntFilter | None = strawberry.UNSET
    """The priority matches."""
    started_after: datetime | None = strawberry.UNSET
    """The room started after this time."""
    started_before: datetime | None = strawberry.UNSET
    """The room started before this time."""
    queued_after: datetime | None = strawberry.UNSET
    """The room was queued after this time. Rooms that are not QUEUED do not match."""
    queued_before: datetime | None = strawberry.UNSET
    """The room was queued before this time. Rooms that are not QUEUED do not match."""
    closed_after: datetime | None = strawberry.UNSET
    """The room was closed after this time."""
    closed_before: datetime | None = strawberry.UNSET
    """The room was closed before this time."""
    custom_fields: list[CustomFieldFilter] | None = strawberry.UNSET
    """The room's custom fields match all of these conditions."""

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
