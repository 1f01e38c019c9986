"""Creating and changing users; making agents of them is in agent_mutations.py."""

import strawberry

from resolvers import roles, users
from schema.base.fields import api_input, api_type, mutation_field, or_unset
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.custom_fields import CustomFieldInput, assignments
from schema.execution.context import Info
from schema.users import User
from storage import records


@api_input
class CreateUserInput(MutationInput):
    """A user that does not exist yet."""

    username: str
    """The name to sign in and be found with: 1 to 64 characters without white space. `USERNAME_TAKEN` when another
    user has it, in whatever case."""
    name: str | None = None
    """The name to show to people, of up to 128 characters."""
    emails: list[str] | None = None
    """Up to 10 email addresses, in the order in which to keep them."""
    type: records.UserType = records.UserType.USER
    """Whether it is a person, a bot or an app."""
    password: str | None = None
    """The password to sign in with, of 8 to 256 characters; without one the user cannot. Kept as an argon2id hash, and
    never shown again."""
    roles: list[str] | None = None
    """Roles to hold from the start, by name; `UNKNOWN_ROLE` when one does not exist. Needs the scope `roles:write`
    too."""
    custom_fields: list[CustomFieldInput] | None = None
    """Values of custom fields. `FIELD_REQUIRED` when a required one is missing, `DUPLICATE_VALUE` when another user
    holds the value of a unique one."""


@api_input
class UpdateUserInput(MutationInput):
    """What will be different about a user. What is left out stays as it is."""

    user_id: strawberry.ID
    """The user; `NOT_FOUND` when there is none."""
    username: str | None = strawberry.UNSET
    """A new username; `USERNAME_TAKEN` when another user has it, in whatever case. It cannot be null."""
    name: str | None = strawberry.UNSET
    """A new name to show to people; null takes it away."""
    emails: list[str] | None = strawberry.UNSET
    """Email addresses instead of the present ones; null takes them away."""
    password: str | None = strawberry.UNSET
    """A new password; null takes it away, so that the user cannot sign in any more. Either ends the user's sessions,
    and is `FORBIDDEN` for a user who may do more than you."""
    custom_fields: list[CustomFieldInput] | None = strawberry.UNSET
    """Values to change. They merge with what the user holds key by key, so that two writers of different fields both
    win."""


@api_input
class SetUserActiveInput(MutationInput):
    """Whether a user may be active."""

    user_id: strawberry.ID
    """The user; `NOT_FOUND` when there is none."""
    active: bool
    """Whether the user may sign in and serve rooms."""


@api_input
class SetPresenceInput(MutationInput):
    """Whether a user is there."""

    user_id: strawberry.ID
    """The user; `NOT_FOUND` when there is none."""
    presence: records.Presence
    """The new presence."""
    lease_seconds: int | None = None
    """After how many seconds the presence becomes OFFLINE unless it is set again, from 1 to 31,536,000; null: not by
    time. Without effect on OFFLINE."""


@api_input
class AddRolesInput(MutationInput):
    """Roles for a user."""

    user_id: strawberry.ID
    """The user; `NOT_FOUND` when there is none."""
    roles: list[str]
    """Roles by name; `UNKNOWN_ROLE` when one does not exist. Those the user holds already are no error."""


@api_input
class RemoveRolesInput(MutationInput):
    """Roles to take from a user."""

    user_id: strawberry.ID
    """The user; `NOT_FOUND` when there is none."""
    roles: list[str]
    """Roles by name; `UNKNOWN_ROLE` when one does not exist. Those the user does not hold are no error."""


@api_type
class UserPayload(MutationPayload):
    """A user after a change."""

    user: User
    """The user as it is now."""


@api_type
class CreateUserPayload(UserPayload):
    """The user that came to be."""


@api_type
class UpdateUserPayload(UserPayload):
    """The user with what was changed about it."""


@api_type
class SetUserActivePayload(UserPayload):
    """The user, active or not."""


@api_type
class SetPresencePayload(UserPayload):
    """The user with its presence."""


@api_type
class AddRolesPayload(UserPayload):
    """The user with its roles."""


@api_type
class RemoveRolesPayload(UserPayload):
    """The user with the roles that it kept."""


@api_type
class UserMutations:
    """Changing users."""

    @mutation_field(users.create_user)
    async def create_user(self, info: Info, input: Input[CreateUserInput]) -> CreateUserPayload | None:
        """Creates a user, with its roles and custom fields in the same step: all of it or nothing.

        Recorded as `UserCreated`.
        """
        user = await users.create_user(
            info.context.mutation(input.client_mutation_id),
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
        """Changes what a user is called and what it holds. Recorded as `UserUpdated`, unless nothing changed."""
        user = await users.update_user(
            info.context.mutation(input.client_mutation_id),
            user_id=input.user_id,
            username=or_unset(input.username),
            name=or_unset(input.name),
            emails=or_unset(input.emails),
            password=or_unset(input.password),
            custom_fields=assignments(input.custom_fields),
        )
        return UpdateUserPayload(user=User.from_record(user), client_mutation_id=input.client_mutation_id)

    @mutation_field(users.set_user_active)
    async def set_user_active(self, info: Info, input: Input[SetUserActiveInput]) -> SetUserActivePayload | None:
        """Lets a user in, or shuts it out.

        Deactivating ends the user's sessions and puts the rooms it serves back into the queue, each with its events
        (`AgentUnassigned` with the cause AGENT_REMOVED): the first 50 at once, more in the background. `FORBIDDEN` for
        a user who may do more than you. Recorded as `UserUpdated`, which comes first, unless nothing changed.
        """
        user = await users.set_user_active(
            info.context.mutation(input.client_mutation_id), user_id=input.user_id, active=input.active
        )
        return SetUserActivePayload(user=User.from_record(user), client_mutation_id=input.client_mutation_id)

    @mutation_field(users.set_presence)
    async def set_presence(self, info: Info, input: Input[SetPresenceInput]) -> SetPresencePayload | None:
        """Says whether a user is there. Needs the scope `users:write`, but for signed-in users who speak of themselves.

        An agent that is no longer OFFLINE may be routed to at once; one that goes OFFLINE keeps its rooms and gets no
        new ones, unless it has the role `bot`. The presence ends with its lease, and where the user itself set it also
        with the last of that user's sessions. Recorded as `UserPresenceChanged`, unless the presence stays the same.
        """
        user = await users.set_presence(
            info.context.mutation(input.client_mutation_id),
            user_id=input.user_id,
            presence=input.presence,
            lease_seconds=input.lease_seconds,
        )
        return SetPresencePayload(user=User.from_record(user), client_mutation_id=input.client_mutation_id)

    @mutation_field(roles.add_roles)
    async def add_roles(self, info: Info, input: Input[AddRolesInput]) -> AddRolesPayload | None:
        """Gives a user roles, all of those named or none.

        `FORBIDDEN` for roles that permit more than you may do yourself. Recorded as `UserRolesChanged`, unless the user
        held all of them.
        """
        user = await roles.add_roles(
            info.context.mutation(input.client_mutation_id), user_id=input.user_id, roles=input.roles
        )
        return AddRolesPayload(user=User.from_record(user), client_mutation_id=input.client_mutation_id)

    @mutation_field(roles.remove_roles)
    async def remove_roles(self, info: Info, input: Input[RemoveRolesInput]) -> RemoveRolesPayload | None:
        """Takes roles from a user, all of those named or none.

        `FORBIDDEN` for a user who may do more than you; `INVALID_INPUT` for the role `livechat-agent` of an agent,
        which removeAgent takes. Recorded as `UserRolesChanged`, unless the user held none of them.
        """
        user = await roles.remove_roles(
            info.context.mutation(input.client_mutation_id), user_id=input.user_id, roles=input.roles
        )
        return RemoveRolesPayload(user=User.from_record(user), client_mutation_id=input.client_mutation_id)
