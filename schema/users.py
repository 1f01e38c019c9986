"""Users: the type, and how users are found; what changes them is in user_mutations.py."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

import strawberry

from resolvers import users
from resolvers.ordering import Ordering
from schema import agents
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
)
from schema.base.filters import UserFilter, expression_of
from schema.base.lazy_types import AgentRef
from schema.base.node import Node
from schema.base.order_direction import OrderDirection, descending
from schema.custom_fields import CustomFieldRef, HasCustomFields, to_field_ref
from schema.execution.context import Info, selects_only
from schema.roles import Role
from storage import records

describe_enum(
    records.UserType,
    "What kind of somebody a user is. It decides nothing by itself; roles do.",
    USER="A person.",
    BOT="A program that talks like a person.",
    APP="The user side of an app.",
)
describe_enum(
    records.Presence,
    "Whether a user is there. Only OFFLINE matters to routing, and not to users with the role `bot`.",
    ONLINE="There.",
    AWAY="There, but not at the keyboard.",
    BUSY="There, but occupied.",
    OFFLINE="Not there. What every user is until its presence is set.",
)


@api_type
class User(HasCustomFields, Node):
    """A person, bot or app that can hold roles and custom fields, and be made an omnichannel agent."""

    username: str
    """The name to sign in and be found with; unique, compared without case."""
    name: str | None
    """The name to show to people."""
    emails: list[str]
    """The email addresses, in the order given. Several users may share one."""
    type: records.UserType
    """Whether it is a person, a bot or an app."""
    active: bool
    """Whether it can sign in and serve rooms."""
    presence: records.Presence
    """Whether it is there; OFFLINE until set. It ends with its lease, and where the user itself set it also with the
    last of that user's sessions."""
    presence_until: datetime | None
    """When the presence becomes OFFLINE by its lease; null: when it is set again, or the sessions end."""
    created_at: datetime
    """When it was created."""
    updated_at: datetime
    """When it last changed."""
    record: strawberry.Private[records.User]

    @classmethod
    def from_record(cls, record: records.User) -> Self:
        return cls(
            id=ids.USER.add(record.id),
            username=record.username,
            name=record.name,
            emails=list(record.emails),
            type=record.type,
            active=record.active,
            presence=record.presence,
            presence_until=record.presence_until,
            created_at=record.created_at,
            updated_at=record.updated_at,
            field_values=record.custom_fields,
            record=record,
        )

    @field
    def roles(self, info: Info) -> list[Role]:
        """The roles it holds, in the order of their names."""
        if not self.record.roles or selects_only(info, "name"):
            return [Role.from_name(name) for name in self.record.roles]
        return as_awaitable(self._roles(info))

    async def _roles(self, info: Info) -> list[Role]:
        return [Role.from_record(role) for role in await info.context.loaders.roles.load_many(self.record.roles)]

    @field
    def agent(self) -> AgentRef | None:
        """What it is as an omnichannel agent; null when it is none."""
        return None if self.record.agent is None else agents.Agent.from_record(self.record)


# ---------------------------------------------------------------- finding users


@api_one_of
class UserBy:
    """One way to name a user."""

    id: strawberry.ID | None = strawberry.UNSET
    """By identity."""
    username: str | None = strawberry.UNSET
    """By username, without case."""
    email: str | None = strawberry.UNSET
    """By one of its email addresses, without case; `INVALID_INPUT` when several users have it."""
    custom_field: CustomFieldRef | None = strawberry.UNSET
    """By the value of a unique custom field, such as the id that an outside system knows the user by."""


@api_enum
class UserOrderField(StrEnum):
    """What users can be sorted by. Users that are equal in it follow each other in the order of creation."""

    CREATED_AT = "CREATED_AT"
    """When the user was created."""
    USERNAME = "USERNAME"
    """The username, without case."""
    NAME = "NAME"
    """The name, without case. Users without a name come last."""
    CUSTOM_FIELD = "CUSTOM_FIELD"
    """The value of the custom field that `customField` names. Users without a value come last. `QUERY_TOO_COMPLEX` when
    the field is not unique and more than 10,000 users match."""


@api_input
class UserOrder:
    """How to sort users."""

    field: UserOrderField
    """What to sort by."""
    custom_field: str | None = None
    """The key of a custom field, with CUSTOM_FIELD alone (`INVALID_INPUT`). `UNKNOWN_FIELD` when none is defined under
    this key; `INVALID_INPUT` for a MULTI_SELECT."""
    direction: OrderDirection = OrderDirection.ASC
    """Which end comes first."""

    def ordering(self) -> Ordering:
        return Ordering(self.field.value, descending(self.direction), or_none(self.custom_field))


Where = Annotated[UserFilter | None, strawberry.argument(description="Only users of which this holds; all when null.")]


@api_type
class UserQueries:
    """Reading users."""

    @query_field(users.find_user)
    async def user(
        self, info: Info, by: Annotated[UserBy, strawberry.argument(description="Which user.")]
    ) -> User | None:
        """One user; null when there is none."""
        user = await users.find_user(
            info.context.resolver_context,
            id=ids.USER.take_optional(by.id, "by.id"),
            username=or_none(by.username),
            email=or_none(by.email),
            custom_field=to_field_ref(by.custom_field),
        )
        return None if user is None else User.from_record(user)

    @query_field(users.list_users)
    async def users(
        self,
        info: Info,
        where: Where = None,
        order_by: Annotated[
            UserOrder | None, strawberry.argument(description="How to sort; oldest first when null.")
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[User] | None:
        """The users of which the filter holds, agents and inactive ones included."""
        page = await users.list_users(
            info.context.resolver_context,
            where=expression_of(where),
            order_by=None if order_by is None else order_by.ordering(),
            first=first,
            after=after,
            last=last,
            before=before,
        )
        return Connection.from_page(page, User.from_record)
