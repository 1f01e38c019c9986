"""What a client may filter by, and how it becomes an expression of the one filter language (storage/filters.py)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import Optional, Protocol

import strawberry

from schema.fields import api_input
from schema.scalars import FieldValue
from storage import records
from storage.errors import Invalid
from storage.filters import EVERYTHING, And, AttributeCondition, Expression, FieldCondition, Not, Operator, Or


class Filter(Protocol):
    """Any of the filter inputs below."""

    def expression(self) -> Expression: ...


def expression_of(where: Filter | None) -> Expression:
    """What the filter says; no filter says nothing."""
    return EVERYTHING if where is None else where.expression()


def optional(where: Filter | None) -> Expression | None:
    """What the filter says, where to say nothing is something else than a filter that everything passes."""
    return None if where is None else where.expression()


# ---------------------------------------------------------------- parts of filters


@api_input
class StringFilter:
    """What a text must be. All that is given must hold. Usernames and emails are compared without case, all else with
    it."""

    eq: str | None = strawberry.UNSET
    """Equal to this."""
    in_: list[str] | None = strawberry.field(name="in", default=strawberry.UNSET)
    """Equal to one of these; to nothing when the list is empty."""
    contains: str | None = strawberry.UNSET
    """Has this somewhere in it. No index helps with that: it reads all that the rest of the filter leaves."""
    starts_with: str | None = strawberry.UNSET
    """Begins with this."""

    def conditions(self, attribute: str) -> list[Expression]:
        operators = {
            Operator.EQ: self.eq,
            Operator.IN: self.in_,
            Operator.CONTAINS: self.contains,
            Operator.STARTS_WITH: self.starts_with,
        }
        return [
            AttributeCondition(attribute, operator, value)
            for operator, value in operators.items()
            if _given(value, operator.value)
        ]


@api_input
class CustomFieldFilter:
    """What a custom field must hold. All operators that are given must hold.

    A value of the wrong type, or an operator that the field's type does not have, is `INVALID_FIELD_VALUE`, never an
    empty result. null is no value: to ask whether there is one, use `exists`.
    """

    key: str
    """Which field; `UNKNOWN_FIELD` when none is defined under this key."""
    eq: FieldValue | None = strawberry.UNSET
    """Holds this. Numbers compare as numbers (1 equals 1.0), times as instants, options in any order."""
    ne: FieldValue | None = strawberry.UNSET
    """Does not hold this; matches too where the field holds nothing."""
    in_: list[FieldValue] | None = strawberry.field(name="in", default=strawberry.UNSET)
    """Holds one of these; an empty list matches nothing."""
    not_in: list[FieldValue] | None = strawberry.UNSET
    """Holds none of these; matches too where the field holds nothing. An empty list matches everything."""
    gt: FieldValue | None = strawberry.UNSET
    """Holds more than this. NUMBER, DATETIME, and TEXT (by code point)."""
    gte: FieldValue | None = strawberry.UNSET
    """Holds this or more. NUMBER, DATETIME, and TEXT (by code point)."""
    lt: FieldValue | None = strawberry.UNSET
    """Holds less than this. NUMBER, DATETIME, and TEXT (by code point)."""
    lte: FieldValue | None = strawberry.UNSET
    """Holds this or less. NUMBER, DATETIME, and TEXT (by code point)."""
    contains: str | None = strawberry.UNSET
    """TEXT: has this somewhere in it, with the same case; reads all that the rest of the filter leaves.
    MULTI_SELECT: this is one of its options."""
    starts_with: str | None = strawberry.UNSET
    """TEXT: begins with this, with the same case."""
    exists: bool | None = strawberry.UNSET
    """Whether it holds anything at all: true for those that do, false for those that do not."""

    def conditions(self) -> list[Expression]:
        operators = {
            Operator.EQ: self.eq,
            Operator.NE: self.ne,
            Operator.IN: self.in_,
            Operator.NOT_IN: self.not_in,
            Operator.GT: self.gt,
            Operator.GTE: self.gte,
            Operator.LT: self.lt,
            Operator.LTE: self.lte,
            Operator.CONTAINS: self.contains,
            Operator.STARTS_WITH: self.starts_with,
            Operator.EXISTS: self.exists,
        }
        # Nulls go on: the definition that they do not fit is known further down.
        return [
            FieldCondition(self.key, operator, value)
            for operator, value in operators.items()
            if value is not strawberry.UNSET
        ]


# ---------------------------------------------------------------- filters


@api_input
class UserFilter:
    """Which users (or agents). All that is given must hold; {} matches every one. null is no value: leave it out
    instead."""

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
        return _all(
            *_combined(self.and_, self.or_, self.not_),
            *_is("id", Operator.IN, self.ids, "ids"),
            *_text("username", self.username),
            *_text("name", self.name),
            *_text("email", self.email),
            *_is("type", Operator.EQ, self.type),
            *_is("active", Operator.EQ, self.active),
            *_is("presence", Operator.IN, self.presence),
            *_each("role", self.has_roles, "hasRoles"),
            *_is("isAgent", Operator.EQ, self.is_agent),
            *_is("agentStatus", Operator.EQ, self.agent_status),
            *_is("department", Operator.EQ, self.department_id, "departmentId"),
            *_fields(self.custom_fields),
        )


@api_input
class VisitorFilter:
    """Which visitors. All that is given must hold; {} matches every one. null is no value: leave it out instead."""

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
        return _all(
            *_combined(self.and_, self.or_, self.not_),
            *_is("id", Operator.IN, self.ids, "ids"),
            *_text("token", self.token),
            *_text("name", self.name),
            *_text("email", self.email),
            *_text("phone", self.phone),
            *_fields(self.custom_fields),
        )


@api_input
class RoomFilter:
    """Which rooms. All that is given must hold; {} matches every one. null is no value: leave it out instead."""

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
    visitor_id: strawberry.ID | None = strawberry.UNSET
    """This visitor started the room."""
    source: StringFilter | None = strawberry.UNSET
    """What the source is."""
    has_tags: list[str] | None = strawberry.UNSET
    """The room has all of these tags."""
    started_after: datetime | None = strawberry.UNSET
    """The room started after this time."""
    started_before: datetime | None = strawberry.UNSET
    """The room started before this time."""
    custom_fields: list[CustomFieldFilter] | None = strawberry.UNSET
    """What the room's custom fields hold; all of these."""

    def expression(self) -> Expression:
        return _all(
            *_combined(self.and_, self.or_, self.not_),
            *_is("id", Operator.IN, self.ids, "ids"),
            *_is("status", Operator.IN, self.status),
            *_is("department", Operator.EQ, self.department_id, "departmentId"),
            *_is("servedBy", Operator.EQ, self.served_by_id, "servedById"),
            *_is("visitor", Operator.EQ, self.visitor_id, "visitorId"),
            *_text("source", self.source),
            *_each("tag", self.has_tags, "hasTags"),
            *_is("startedAt", Operator.GT, self.started_after, "startedAfter"),
            *_is("startedAt", Operator.LT, self.started_before, "startedBefore"),
            *_fields(self.custom_fields),
        )


# ---------------------------------------------------------------- inputs to expressions


def _all(*parts: Expression) -> Expression:
    return And(parts)


def _combined(and_: Sequence[Filter] | None, or_: Sequence[Filter] | None, not_: Filter | None) -> Iterable[Expression]:
    if _given(and_, "and"):
        yield And(tuple(part.expression() for part in and_ or ()))
    if _given(or_, "or"):
        yield Or(tuple(part.expression() for part in or_ or ()))
    if _given(not_, "not") and not_ is not None:
        yield Not(not_.expression())


def _is(attribute: str, operator: Operator, value: object, key: str | None = None) -> Iterable[Expression]:
    if _given(value, key or attribute):
        yield AttributeCondition(attribute, operator, _plain(value))


def _each(attribute: str, values: Sequence[object] | None, key: str) -> Iterable[Expression]:
    if _given(values, key):
        yield from (AttributeCondition(attribute, Operator.EQ, value) for value in values or ())


def _text(attribute: str, where: StringFilter | None) -> Iterable[Expression]:
    if _given(where, attribute) and where is not None:
        yield from where.conditions(attribute)


def _fields(filters: Sequence[CustomFieldFilter] | None) -> Iterable[Expression]:
    if _given(filters, "customFields"):
        yield from (condition for part in filters or () for condition in part.conditions())


def _plain(value: object) -> object:
    """Members of enums as the text that is stored."""
    match value:
        case Enum():
            return value.value
        case list():
            return [_plain(item) for item in value]
        case _:
            return value


def _given(value: object, key: str) -> bool:
    """Whether the client named it. A null would match everything or nothing, according to taste: so it is refused."""
    if value is None:
        raise Invalid(f"null is no value to filter by; leave {key} out.", key=key)
    return value is not strawberry.UNSET
