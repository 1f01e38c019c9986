"""Roles: the type, the list, and the mutations."""

from typing import Self

import strawberry

from resolvers import roles
from schema.base import ids
from schema.base.fields import api_input, api_type, mutation_field, or_unset, query_field
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.base.node import Node
from schema.execution.context import Info
from storage import records


@api_type
class Role(Node):
    """A named set of scopes. Users hold roles by name."""

    name: str
    """The name. It is unique."""
    description: str | None
    """A description for people."""
    built_in: bool
    """Whether the role is part of Switchboard: `admin`, `livechat-manager`, `livechat-agent` and `bot`."""
    scopes: list[str]
    """The scopes of the users who hold the role, in alphabetical order, such as `rooms:read`. `admin` includes all
    scopes."""

    @classmethod
    def from_record(cls, record: records.Role) -> Self:
        return cls(
            id=ids.ROLE.format(record.id),
            name=record.name,
            description=record.description,
            built_in=record.built_in,
            scopes=list(record.scopes),
        )

    @classmethod
    def from_name(cls, name: str) -> Self:
        """A role of which only the name is read. Users hold the names of their roles, so that nothing has to be read
        for it."""
        return cls(id=strawberry.ID(""), name=name, description=None, built_in=False, scopes=[])


@api_type
class RoleQueries:
    """Queries of roles."""

    @query_field(roles.list_roles)
    async def roles(self, info: Info) -> list[Role] | None:
        """All roles, including the built-in ones, in the order in which they were created."""
        return [Role.from_record(role) for role in await roles.list_roles(info.context.resolver_context)]


@api_input
class CreateRoleInput(MutationInput):
    """Input of `createRole`."""

    name: str
    """The name, 1 to 64 characters. `DUPLICATE_VALUE` if a role has this name."""
    description: str | None = None
    """A description for people, up to 1,000 characters."""
    scopes: list[str] | None = None
    """The scopes of the users who hold the role; none if null. `FORBIDDEN` for scopes that you do not have,
    `INVALID_INPUT` for unknown scopes."""


@api_input
class UpdateRoleInput(MutationInput):
    """Input of `updateRole`."""

    role_id: strawberry.ID
    """The role. `NOT_FOUND` if it does not exist, `INVALID_INPUT` if it is built in."""
    description: str | None = strawberry.UNSET
    """A description for people, up to 1,000 characters; null removes it."""
    scopes: list[str] | None = strawberry.UNSET
    """All scopes of the role; null removes them all. `FORBIDDEN` for scopes that you do not have, `INVALID_INPUT` for
    unknown scopes."""


@api_type
class CreateRolePayload(MutationPayload):
    """Result of `createRole`."""

    role: Role
    """The new role."""


@api_type
class UpdateRolePayload(MutationPayload):
    """Result of `updateRole`."""

    role: Role
    """The role after the change."""


@api_type
class RoleMutations:
    """Mutations of roles."""

    @mutation_field(roles.create_role)
    async def create_role(self, info: Info, input: Input[CreateRoleInput]) -> CreateRolePayload | None:
        """Creates a role. Roles cannot be renamed or removed. Records `RoleCreated`."""
        role = await roles.create_role(
            info.context.mutation(input),
            name=input.name,
            description=input.description,
            scopes=input.scopes,
        )
        return CreateRolePayload(role=Role.from_record(role), client_mutation_id=input.client_mutation_id)

    @mutation_field(roles.update_role)
    async def update_role(self, info: Info, input: Input[UpdateRoleInput]) -> UpdateRolePayload | None:
        """Changes the description or the scopes of a role that is not built in.

        Users who hold the role have the new scopes at once; subscriptions whose permissions change end with 4403.
        `FORBIDDEN` if the role has scopes, before or after the change, that you do not have. Records `RoleUpdated`
        unless nothing changes.
        """
        role = await roles.update_role(
            info.context.mutation(input),
            role_id=ids.ROLE.parse(input.role_id, "roleId"),
            description=or_unset(input.description),
            scopes=or_unset(input.scopes),
        )
        return UpdateRolePayload(role=Role.from_record(role), client_mutation_id=input.client_mutation_id)
