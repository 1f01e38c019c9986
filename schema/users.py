"""Users: the type and the queries. The mutations are in user_mutations.py."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

import strawberry

from resolvers import roles as stored_roles
from resolvers import users
from resolvers.ordering import Ordering
from schema import agents
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
    or_none,
    pure_field,
    query_field,
    scoped_field,
)
from schema.base.filters import UserFilter, expression_of
from schema.base.lazy_types import AgentRef
from schema.base.node import Node
from schema.base.order_direction import OrderDirection, descending
from schema.custom_fields import CustomFieldRef, to_field_ref
from schema.entity_fields import UserFields
from schema.execution.context import Info, selects_only
from schema.roles import Role
from storage import records
from storage.app_data import DataOwner

describe_enum(
    records.UserType,
    "The type of a user. It is informational: permissions depend on the roles.",
    USER="A person.",
    BOT="A program that sends messages like a person.",
    APP="A user that represents an app.",
)
describe_enum(
    records.Presence,
    "The presence of a user. An agent who is OFFLINE gets no new rooms, unless the user has the role `bot`. "
    "Routing does not distinguish the other values.",
    ONLINE="The user is present.",
    AWAY="The user is present, but not at the keyboard.",
    BUSY="The user is present, but occupied.",
    OFFLINE="The user is absent. The initial presence of every user.",
)


@api_type
class User(Node, UserFields):
    """A person, bot or app with roles and custom fields. A user can be an omnichannel agent."""

    presence_until: datetime | None
    """When the lease of the presence ends. Null if the presence has no lease."""
    record: strawberry.Private[records.User]

    @classmethod
    def from_record(cls, record: records.User) -> Self:
        return cls(
            id=ids.USER.format(record.id),
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

    @pure_field
    def roles(self, info: Info) -> list[Role]:
        """The user's roles, in the order of their names."""
        if not self.record.roles or selects_only(info, "name"):
            return [Role.from_name(name) for name in self.record.roles]
        cached = stored_roles.cached(info.context.resolver_context, self.record.roles)
        if cached is None:
            return as_awaitable(self._roles(info))
        return [Role.from_record(role) for role in cached]

    async def _roles(self, info: Info) -> list[Role]:
        return [Role.from_record(role) for role in await info.context.loaders.roles.load_many(self.record.roles)]

    @scoped_field("users:read", per_caller=True)
    async def app_data(self, info: Info, key: DataKey) -> AppDatum | None:
        """What your app keeps beside the user under this key (`setAppData`). Null if there is nothing. For apps
        only."""
        return await find_datum(info, DataOwner.USER, self.record.id, key)

    @pure_field
    def agent(self) -> AgentRef | None:
        """The user as an omnichannel agent. Null if the user is not an agent."""
        return None if self.record.agent is None else agents.Agent.from_record(self.record)


# ---------------------------------------------------------------- queries


@api_one_of
class UserBy:
    """How to identify a user."""

    id: strawberry.ID | None = strawberry.UNSET
    """The id."""
    username: str | None = strawberry.UNSET
    """The username; case is ignored."""
    email: str | None = strawberry.UNSET
    """One of the email addresses; case is ignored. `INVALID_INPUT` if several users have it."""
    custom_field: CustomFieldRef | None = strawberry.UNSET
    """The value of a unique custom field, such as the user's id in another system."""


@api_enum
class UserOrderField(StrEnum):
    """What users can be sorted by. Users with equal values are in the order in which they were created."""

    CREATED_AT = "CREATED_AT"
    """When the user was created."""
    USERNAME = "USERNAME"
    """The username; case is ignored."""
    NAME = "NAME"
    """The name; case is ignored. Users without a name come last."""
    CUSTOM_FIELD = "CUSTOM_FIELD"
    """The value of the custom field with the key `customField`. Users without a value come last. `QUERY_TOO_COMPLEX` if
    the field is not unique and more than 10,000 users match."""


@api_input
class UserOrder:
    """The order of a list of users."""

    field: UserOrderField
    """The property to sort by."""
    custom_field: str | None = None
    """For CUSTOM_FIELD: the key of the custom field. `INVALID_INPUT` for another `field`, `UNKNOWN_FIELD` if no custom
    field has this key, `INVALID_INPUT` for a MULTI_SELECT."""
    direction: OrderDirection = OrderDirection.ASC
    """The direction."""

    def ordering(self) -> Ordering:
        return Ordering(self.field.value, descending(self.direction), or_none(self.custom_field))


Where = Annotated[
    UserFilter | None, strawberry.argument(description="Returns only users that match this filter. All users if null.")
]


@api_type
class UserQueries:
    """Queries of users."""

    @query_field(users.find_user)
    async def user(
        self, info: Info, by: Annotated[UserBy, strawberry.argument(description="Which user.")]
    ) -> User | None:
        """One user. Null if there is no such user."""
        user = await users.find_user(
            info.context.resolver_context,
            id=ids.USER.parse_optional(by.id, "by.id"),
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
            UserOrder | None,
            strawberry.argument(description="The order of the list. By creation, oldest first, if null."),
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[User] | None:
        """The users that match the filter, including agents and inactive users."""
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
