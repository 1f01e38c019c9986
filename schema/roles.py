"""Roles: the type, the list of all, and how one comes to be."""

from typing import Self

import strawberry

from resolvers import roles
from schema.base.fields import api_input, api_type, mutation_field, query_field
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.execution.context import Info
from storage import records


@api_type
class Role:
    """A named set of permissions, which users hold by its name."""

    id: strawberry.ID
    """Its identity. Stays the same for life."""
    name: str
    """What it is called; unique."""
    description: str | None
    """What it is for, in words for people."""
    built_in: bool
    """Whether it came with Switchboard, like `admin`, `livechat-manager`, `livechat-agent` and `bot`."""

    @classmethod
    def from_record(cls, record: records.Role) -> Self:
        return cls(
            id=strawberry.ID(record.id), name=record.name, description=record.description, built_in=record.built_in
        )

    @classmethod
    def from_name(cls, name: str) -> Self:
        """For those who ask for nothing but the name, which users know themselves: nothing needs to be read for it."""
        return cls(id=strawberry.ID(""), name=name, description=None, built_in=False)


@api_type
class RoleQueries:
    """Reading roles."""

    @query_field(roles.list_roles)
    async def roles(self, info: Info) -> list[Role]:
        """All roles, the built-in ones included, in the order in which they came to be."""
        return [Role.from_record(role) for role in await roles.list_roles(info.context.resolver_context)]


@api_input
class CreateRoleInput(MutationInput):
    """A role that does not exist yet."""

    name: str
    """What to call it: 1 to 64 characters. `DUPLICATE_VALUE` when there is a role of that name."""
    description: str | None = None
    """What it is for, in words for people: up to 1,000 characters."""


@api_type
class CreateRolePayload(MutationPayload):
    """The role that came to be."""

    role: Role
    """The new role."""


@api_type
class RoleMutations:
    """Changing roles."""

    @mutation_field(roles.create_role)
    async def create_role(self, info: Info, input: Input[CreateRoleInput]) -> CreateRolePayload | None:
        """Adds a role. Roles cannot be renamed or removed. Recorded as `RoleCreated`."""
        role = await roles.create_role(
            info.context.mutation(input.client_mutation_id), name=input.name, description=input.description
        )
        return CreateRolePayload(role=Role.from_record(role), client_mutation_id=input.client_mutation_id)
