"""Mutations of users. Mutations that make users agents are in agent_mutations.py."""

import strawberry

from resolvers import roles, users
from schema.base import ids
from schema.base.fields import api_input, api_type, mutation_field, or_unset
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.custom_fields import CustomFieldInput, assignments
from schema.execution.context import Info
from schema.users import User
from storage import records


@api_input
class CreateUserInput(MutationInput):
    """Input of `createUser`."""

    username: str
    """The username to log in with: 1 to 64 characters without white space. `USERNAME_TAKEN` if another user has it;
    case is ignored."""
    name: str | None = None
    """The display name, up to 128 characters."""
    emails: list[str] | None = None
    """Up to 10 email addresses. Their order is kept."""
    type: records.UserType = records.UserType.USER
    """Whether the user is a person, a bot or an app."""
    password: str | None = None
    """The password to log in with, 8 to 256 characters. Without a password, the user cannot log in. Stored as an
    argon2id hash and never returned."""
    roles: list[str] | None = None
    """Names of the user's roles. `UNKNOWN_ROLE` if one does not exist. Also needs the scope `roles:write`."""
    custom_fields: list[CustomFieldInput] | None = None
    """Values of custom fields. `FIELD_REQUIRED` if a required field has no value, `DUPLICATE_VALUE` if another user has
    the same value of a unique field."""


@api_input
class UpdateUserInput(MutationInput):
    """Input of `updateUser`. Fields that are left out keep their values."""

    user_id: strawberry.ID
    """The id of the user. `NOT_FOUND` if there is no such user."""
    username: str | None = strawberry.UNSET
    """The new username. `USERNAME_TAKEN` if another user has it; case is ignored. `INVALID_INPUT` for null."""
    name: str | None = strawberry.UNSET
    """The new display name; null removes it."""
    emails: list[str] | None = strawberry.UNSET
    """The email addresses, replacing the current ones; null removes them."""
    password: str | None = strawberry.UNSET
    """The new password; null removes it, and the user can no longer log in. Either ends the user's sessions.
    `FORBIDDEN` if the user has permissions that you do not have."""
    custom_fields: list[CustomFieldInput] | None = strawberry.UNSET
    """Custom field values to change. They are merged with the user's values key by key, so concurrent changes of
    different fields do not overwrite each other."""


@api_input
class SetUserActiveInput(MutationInput):
    """Input of `setUserActive`."""

    user_id: strawberry.ID
    """The id of the user. `NOT_FOUND` if there is no such user."""
    active: bool
    """Whether the user may log in and serve rooms."""


@api_input
class SetPresenceInput(MutationInput):
    """Input of `setPresence`."""

    user_id: strawberry.ID
    """The id of the user. `NOT_FOUND` if there is no such user."""
    presence: records.Presence
    """The new presence."""
    lease_seconds: int | None = None
    """The number of seconds, 1 to 31,536,000, after which the presence becomes OFFLINE unless it is set again. No time
    limit if null. Ignored for OFFLINE."""


@api_input
class AddRolesInput(MutationInput):
    """Input of `addRoles`."""

    user_id: strawberry.ID
    """The id of the user. `NOT_FOUND` if there is no such user."""
    roles: list[str]
    """Names of roles. `UNKNOWN_ROLE` if one does not exist. Roles that the user has already are ignored."""


@api_input
class RemoveRolesInput(MutationInput):
    """Input of `removeRoles`."""

    user_id: strawberry.ID
    """The id of the user. `NOT_FOUND` if there is no such user."""
    roles: list[str]
    """Names of roles. `UNKNOWN_ROLE` if one does not exist. Roles that the user does not have are ignored."""


@api_type
class UserPayload(MutationPayload):
    """The fields of a payload with a user."""

    user: User
    """The user after the change."""


@api_type
class CreateUserPayload(UserPayload):
    """Result of `createUser`."""


@api_type
class UpdateUserPayload(UserPayload):
    """Result of `updateUser`."""


@api_type
class SetUserActivePayload(UserPayload):
    """Result of `setUserActive`."""


@api_type
class SetPresencePayload(UserPayload):
    """Result of `setPresence`."""


@api_type
class AddRolesPayload(UserPayload):
    """Result of `addRoles`."""


@api_type
class RemoveRolesPayload(UserPayload):
    """Result of `removeRoles`."""


@api_type
class UserMutations:
    """Mutations of users."""

    @mutation_field(users.create_user)
    async def create_user(self, info: Info, input: Input[CreateUserInput]) -> CreateUserPayload | None:
        """Creates a user with its roles and custom fields, atomically. Records `UserCreated`."""
        user = await users.create_user(
            info.context.mutation(input),
            username=input.username,
            name=input.name,
            emails=input.emails,
            type=input.type,
            password=input.password,
            roles=input.roles,
            custom_fields=assignments(input.custom_fields),
        )
        return CreateUserPayload(user=User.from_record(user), client_mutation_id=input.client_mutation_id)

    @mutation_field(users.update_user)
    async def update_user(self, info: Info, input: Input[UpdateUserInput]) -> UpdateUserPayload | None:
        """Changes a user's names, email addresses, password and custom fields. Records `UserUpdated`, unless nothing
        changed."""
        user = await users.update_user(
            info.context.mutation(input),
            user_id=ids.USER.parse(input.user_id, "userId"),
            username=or_unset(input.username),
            name=or_unset(input.name),
            emails=or_unset(input.emails),
            password=or_unset(input.password),
            custom_fields=assignments(input.custom_fields),
        )
        return UpdateUserPayload(user=User.from_record(user), client_mutation_id=input.client_mutation_id)

    @mutation_field(users.set_user_active)
    async def set_user_active(self, info: Info, input: Input[SetUserActiveInput]) -> SetUserActivePayload | None:
        """Activates or deactivates a user.

        Deactivation ends the user's sessions, and the rooms the user serves return to the queue, the first 50 at once
        and the others in the background. `FORBIDDEN` if the user has permissions that you do not have. Records
        `UserUpdated`, unless nothing changed, and then `AgentUnassigned` with the cause AGENT_REMOVED for each of these
        rooms.
        """
        user = await users.set_user_active(
            info.context.mutation(input),
            user_id=ids.USER.parse(input.user_id, "userId"),
            active=input.active,
        )
        return SetUserActivePayload(user=User.from_record(user), client_mutation_id=input.client_mutation_id)

    @mutation_field(users.set_presence)
    async def set_presence(self, info: Info, input: Input[SetPresenceInput]) -> SetPresencePayload | None:
        """Sets a user's presence. Users may set their own presence; for other users, it needs the scope `users:write`.

        If an agent is no longer OFFLINE, queued rooms may be routed to it at once. An agent that is OFFLINE keeps its
        rooms and gets no new ones, unless it has the role `bot`. The presence becomes OFFLINE when its lease ends and,
        if the user set it, when the user's last session ends. Records `UserPresenceChanged`, unless the presence is the
        same.
        """
        user = await users.set_presence(
            info.context.mutation(input),
            user_id=ids.USER.parse(input.user_id, "userId"),
            presence=input.presence,
            lease_seconds=input.lease_seconds,
        )
        return SetPresencePayload(user=User.from_record(user), client_mutation_id=input.client_mutation_id)

    @mutation_field(roles.add_roles)
    async def add_roles(self, info: Info, input: Input[AddRolesInput]) -> AddRolesPayload | None:
        """Adds roles to a user, atomically.

        `FORBIDDEN` if a role has permissions that you do not have. Records `UserRolesChanged`, unless the user had all
        of the roles.
        """
        user = await roles.add_roles(
            info.context.mutation(input),
            user_id=ids.USER.parse(input.user_id, "userId"),
            roles=input.roles,
        )
        return AddRolesPayload(user=User.from_record(user), client_mutation_id=input.client_mutation_id)

    @mutation_field(roles.remove_roles)
    async def remove_roles(self, info: Info, input: Input[RemoveRolesInput]) -> RemoveRolesPayload | None:
        """Removes roles from a user, atomically.

        `FORBIDDEN` if the user has permissions that you do not have. `INVALID_INPUT` for the role `livechat-agent` of
        an agent; use `removeAgent`. Records `UserRolesChanged`, unless the user had none of the roles.
        """
        user = await roles.remove_roles(
            info.context.mutation(input),
            user_id=ids.USER.parse(input.user_id, "userId"),
            roles=input.roles,
        )
        return RemoveRolesPayload(user=User.from_record(user), client_mutation_id=input.client_mutation_id)
