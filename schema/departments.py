"""Departments: the type, the list of all, and what changes them."""

from typing import Self

import strawberry

from resolvers import departments
from schema import agents
from schema.base.connections import DEFAULT_FIRST, After, Connection, First, page_size
from schema.base.fields import api_input, api_type, describe_enum, mutation_field, or_unset, query_field, scoped_field
from schema.base.lazy_types import AgentRef
from schema.base.loaders import PageKey
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.execution.context import Info
from storage import records

describe_enum(
    records.RoutingMethod,
    "How a waiting room gets its agent. Only routable agents are ever chosen.",
    LEAST_LOADED=(
        "The agent with the fewest rooms ASSIGNED; among equals the one whose last assignment is longest ago, then by "
        "username."
    ),
    ROUND_ROBIN="The agent whose last assignment is longest ago.",
    MANUAL="Nobody by itself: the room waits until somebody takes or assigns it.",
    EXTERNAL="An app decides: it hears `RoomStarted`, with every custom field, and calls `assignAgent`.",
)


@api_type
class Department:
    """A group of agents with a way of its own to route rooms to them."""

    id: strawberry.ID
    """Its identity. Stays the same for life."""
    name: str
    """What it is called."""
    enabled: bool
    """Whether it takes new rooms; without that they are `DEPARTMENT_DISABLED`. Those it has go on."""
    routing: records.RoutingMethod
    """How its rooms get their agents."""
    external_timeout_seconds: int | None
    """EXTERNAL: for how many seconds a room waits for an app to decide before `fallbackRouting` takes over. null waits
    without end."""
    fallback_routing: records.RoutingMethod | None
    """EXTERNAL: how a room gets its agent when no app decided in time."""

    @classmethod
    def from_record(cls, record: records.Department) -> Self:
        return cls(
            id=strawberry.ID(record.id),
            name=record.name,
            enabled=record.enabled,
            routing=record.routing,
            external_timeout_seconds=record.external_timeout_seconds,
            fallback_routing=record.fallback_routing,
        )

    @scoped_field("users:read")
    async def agents(self, info: Info, first: First = DEFAULT_FIRST, after: After = None) -> Connection[AgentRef]:
        """The agents that work in it, in the order in which their users were created."""
        page = await info.context.loaders.agents_of_departments.load(PageKey(self.id, page_size(first), after))
        return Connection.from_page(page, agents.Agent.from_record)


@api_type
class DepartmentQueries:
    """Reading departments."""

    @query_field(departments.list_departments)
    async def departments(self, info: Info) -> list[Department]:
        """All departments, disabled ones included, in the order in which they were created."""
        return [
            Department.from_record(record)
            for record in await departments.list_departments(info.context.resolver_context)
        ]


# ---------------------------------------------------------------- mutations


@api_input
class CreateDepartmentInput(MutationInput):
    """A department that does not exist yet."""

    name: str
    """What to call it: 1 to 128 characters."""
    routing: records.RoutingMethod = records.RoutingMethod.LEAST_LOADED
    """How its rooms will get their agents."""
    external_timeout_seconds: int | None = None
    """EXTERNAL: for how many seconds, 1 to 86,400, a room waits for an app to decide before `fallbackRouting` takes
    over."""
    fallback_routing: records.RoutingMethod | None = None
    """EXTERNAL: how a room gets its agent when no app decided in time. EXTERNAL itself is `INVALID_INPUT`."""


@api_input
class UpdateDepartmentInput(MutationInput):
    """What will be different about a department. What is left out stays as it is."""

    department_id: strawberry.ID
    """The department; `NOT_FOUND` when there is none."""
    name: str | None = strawberry.UNSET
    """What to call it."""
    enabled: bool | None = strawberry.UNSET
    """Whether it takes new rooms. Those it has go on either way."""
    routing: records.RoutingMethod | None = strawberry.UNSET
    """How its rooms will get their agents, those that wait included."""
    external_timeout_seconds: int | None = strawberry.UNSET
    """EXTERNAL: for how many seconds a room waits for an app to decide; null lets it wait without end."""
    fallback_routing: records.RoutingMethod | None = strawberry.UNSET
    """EXTERNAL: how a room gets its agent when no app decided in time; null lets it wait."""


@api_input
class SetDepartmentAgentsInput(MutationInput):
    """Who joins a department, and who leaves it."""

    department_id: strawberry.ID
    """The department; `NOT_FOUND` when there is none."""
    add: list[strawberry.ID] | None = None
    """Agents who will work in it; `NOT_AN_AGENT` for a user who is none. Those who do already are no error."""
    remove: list[strawberry.ID] | None = None
    """Agents who will no longer work in it; they keep the rooms they serve. Those who did not are no error."""


@api_type
class CreateDepartmentPayload(MutationPayload):
    """The department that came to be."""

    department: Department
    """The new department."""


@api_type
class UpdateDepartmentPayload(MutationPayload):
    """The department with what was changed about it."""

    department: Department
    """The department as it is now."""


@api_type
class SetDepartmentAgentsPayload(MutationPayload):
    """The department with its agents."""

    department: Department
    """The department as it is now."""


@api_type
class DepartmentMutations:
    """Changing departments."""

    @mutation_field(departments.create_department)
    async def create_department(
        self, info: Info, input: Input[CreateDepartmentInput]
    ) -> CreateDepartmentPayload | None:
        """Adds a department, enabled and without agents. Recorded as `DepartmentSaved`."""
        department = await departments.create_department(
            info.context.mutation(input.client_mutation_id),
            name=input.name,
            routing=input.routing,
            external_timeout_seconds=input.external_timeout_seconds,
            fallback_routing=input.fallback_routing,
        )
        return CreateDepartmentPayload(
            department=Department.from_record(department), client_mutation_id=input.client_mutation_id
        )

    @mutation_field(departments.update_department)
    async def update_department(
        self, info: Info, input: Input[UpdateDepartmentInput]
    ) -> UpdateDepartmentPayload | None:
        """Changes a department. Rooms that wait in it are routed by its new rule at once. Recorded as
        `DepartmentSaved`, unless nothing changed."""
        department = await departments.update_department(
            info.context.mutation(input.client_mutation_id),
            department_id=input.department_id,
            name=or_unset(input.name),
            enabled=or_unset(input.enabled),
            routing=or_unset(input.routing),
            external_timeout_seconds=or_unset(input.external_timeout_seconds),
            fallback_routing=or_unset(input.fallback_routing),
        )
        return UpdateDepartmentPayload(
            department=Department.from_record(department), client_mutation_id=input.client_mutation_id
        )

    @mutation_field(departments.set_department_agents)
    async def set_department_agents(
        self, info: Info, input: Input[SetDepartmentAgentsInput]
    ) -> SetDepartmentAgentsPayload | None:
        """Lets agents join and leave a department, all of those named or none.

        Rooms that wait in it may be routed to the new ones at once. Recorded as one `AgentUpdated` for each agent that
        joined or left.
        """
        department = await departments.set_department_agents(
            info.context.mutation(input.client_mutation_id),
            department_id=input.department_id,
            add=input.add or (),
            remove=input.remove or (),
        )
        return SetDepartmentAgentsPayload(
            department=Department.from_record(department), client_mutation_id=input.client_mutation_id
        )
