"""Roles: the type, the list of all, and how one comes to be."""

from typing import Self

import strawberry

from resolvers import roles
from schema.context import Info
from schema.fields import api_input, api_type, field, later, mutation_field, query_field
from schema.mutations import Input, MutationInput, MutationPayload
from storage import records


@api_type
class Role:
    """A named set of permissions, which users hold by its name."""

    name: str
    """What it is called; unique."""
    record: strawberry.Private[records.Role | None]

    @classmethod
    def of(cls, record: records.Role) -> Self:
        return cls(name=record.name, record=record)

    @classmethod
    def named(cls, name: str) -> Self:
        """A role of which no more than the name is known yet; what else is asked for is read then."""
        return cls(name=name, record=None)

    @field
    def id(self, info: Info) -> strawberry.ID:
        """Its identity. Stays the same for life."""
        return strawberry.ID(self.record.id) if self.record else later(self._id(info))

    @field
    def description(self, info: Info) -> str | None:
        """What it is for, in words for people."""
        return self.record.description if self.record else later(self._description(info))

    @field
    def built_in(self, info: Info) -> bool:
        """Whether it came with Switchboard, like `admin`, `livechat-manager`, `livechat-agent` and `bot`."""
        return self.record.built_in if self.record else later(self._built_in(info))

    async def _id(self, info: Info) -> strawberry.ID:
        return strawberry.ID((await info.context.loaders.roles.load(self.name)).id)

    async def _description(self, info: Info) -> str | None:
        return (await info.context.loaders.roles.load(self.name)).description

    async def _built_in(self, info: Info) -> bool:
        return (await info.context.loaders.roles.load(self.name)).built_in


@api_type
class RoleQueries:
    """Reading roles."""

    @query_field(roles.list_roles)
    async def roles(self, info: Info) -> list[Role]:
        """All roles, the built-in ones included, in the order in which they came to be."""
        return [Role.of(role) for role in await roles.list_roles(info.context.reading)]


@api_input
class CreateRoleInput(MutationInput):
    """A role that does not exist yet."""

    name: str
    """What to call it. `DUPLICATE_VALUE` when there is a role of that name."""
    description: str | None = None
    """What it is for, in words for people."""


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
        return CreateRolePayload(role=Role.of(role), client_mutation_id=input.client_mutation_id)
