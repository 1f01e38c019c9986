"""Departments: the type, the list, and the mutations."""

from typing import Self

import strawberry

from resolvers import departments
from schema import agents
from schema.base import ids
from schema.base.connections import After, Before, Connection, First, Last
from schema.base.fields import api_input, api_type, describe_enum, mutation_field, or_unset, query_field, scoped_field
from schema.base.lazy_types import AgentRef
from schema.base.loaders import PageKey
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.base.node import Node
from schema.entity_fields import DepartmentFields
from schema.execution.context import Info
from storage import records

describe_enum(
    records.RoutingMethod,
    "How a queued room gets its agent. Only routable agents are chosen.",
    LEAST_LOADED=(
        "The agent with the fewest rooms ASSIGNED. Among equals, the agent whose last assignment is longest ago, then "
        "the first by username."
    ),
    ROUND_ROBIN="The agent whose last assignment is longest ago.",
    MANUAL="No agent: the room remains queued until somebody takes or assigns it.",
    EXTERNAL="An app chooses: it subscribes to `RoomStarted`, which has all custom fields, and calls `assignAgent`.",
)

describe_enum(
    records.AgentGoneAction,
    "What happens to the ASSIGNED rooms of an agent who is gone.",
    KEEP="The rooms remain with the agent.",
    REQUEUE="The agent loses the rooms, with the cause AGENT_GONE; they are routed to others, or wait in the queue.",
)


@api_type
class Department(Node, DepartmentFields):
    """A group of agents with its own routing."""

    record: strawberry.Private[records.Department]

    @classmethod
    def from_record(cls, record: records.Department) -> Self:
        return cls(
            record=record,
            id=ids.DEPARTMENT.format(record.id),
            name=record.name,
            enabled=record.enabled,
            routing=record.routing,
            external_timeout_seconds=record.external_timeout_seconds,
            fallback_routing=record.fallback_routing,
            when_agent_gone=record.when_agent_gone,
            agent_gone_after_seconds=record.agent_gone_after_seconds,
        )

    @scoped_field("users:read")
    async def agents(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[AgentRef] | None:
        """The agents who work in the department, in the order in which their users were created."""
        page = await info.context.loaders.agents_of_departments.load(
            PageKey(self.record.id, first, after, last, before)
        )
        return Connection.from_page(page, agents.Agent.from_record)


@api_type
class DepartmentQueries:
    """Queries of departments."""

    @query_field(departments.list_departments)
    async def departments(self, info: Info) -> list[Department] | None:
        """All departments, including disabled ones, in the order in which they were created."""
        return [
            Department.from_record(record)
            for record in await departments.list_departments(info.context.resolver_context)
        ]


# ---------------------------------------------------------------- mutations


@api_input
class CreateDepartmentInput(MutationInput):
    """Input of `createDepartment`."""

    name: str
    """The name, 1 to 128 characters."""
    routing: records.RoutingMethod = records.RoutingMethod.LEAST_LOADED
    """How the department's rooms get their agents."""
    external_timeout_seconds: int | None = None
    """For EXTERNAL routing: the number of seconds, 1 to 86,400, a room waits for an app to assign an agent before
    `fallbackRouting` applies."""
    fallback_routing: records.RoutingMethod | None = None
    """For EXTERNAL routing: how a room gets its agent if no app assigned one in time. `INVALID_INPUT` for EXTERNAL."""
    when_agent_gone: records.AgentGoneAction = records.AgentGoneAction.KEEP
    """What happens to the ASSIGNED rooms of an agent without the role `bot` who is OFFLINE for
    `agentGoneAfterSeconds`."""
    agent_gone_after_seconds: int = 300
    """The number of seconds, 0 to 31,536,000, after which an agent who is OFFLINE is gone."""


@api_input
class UpdateDepartmentInput(MutationInput):
    """Input of `updateDepartment`. Fields that are left out keep their values."""

    department_id: strawberry.ID
    """The id of the department. `NOT_FOUND` if there is no such department."""
    name: str | None = strawberry.UNSET
    """The name."""
    enabled: bool | None = strawberry.UNSET
    """Whether the department takes new rooms. Existing rooms are not affected."""
    routing: records.RoutingMethod | None = strawberry.UNSET
    """How the department's rooms get their agents, including rooms that are queued now."""
    external_timeout_seconds: int | None = strawberry.UNSET
    """For EXTERNAL routing: the number of seconds a room waits for an app to assign an agent; null removes the time
    limit."""
    fallback_routing: records.RoutingMethod | None = strawberry.UNSET
    """For EXTERNAL routing: how a room gets its agent if no app assigned one in time. If null, the room remains
    queued."""
    when_agent_gone: records.AgentGoneAction | None = strawberry.UNSET
    """What happens to the ASSIGNED rooms of an agent without the role `bot` who is OFFLINE for
    `agentGoneAfterSeconds`, including agents who are gone already. Null is `INVALID_INPUT`."""
    agent_gone_after_seconds: int | None = strawberry.UNSET
    """The number of seconds, 0 to 31,536,000, after which an agent who is OFFLINE is gone. Null is
    `INVALID_INPUT`."""


@api_input
class SetDepartmentAgentsInput(MutationInput):
    """Input of `setDepartmentAgents`."""

    department_id: strawberry.ID
    """The id of the department. `NOT_FOUND` if there is no such department."""
    add: list[strawberry.ID] | None = None
    """Ids of agents to add. `NOT_AN_AGENT` for a user who is not an agent. Agents who work in the department already
    are ignored."""
    remove: list[strawberry.ID] | None = None
    """Ids of agents to remove. They keep the rooms they serve. Agents who do not work in the department are ignored."""


@api_type
class CreateDepartmentPayload(MutationPayload):
    """Result of `createDepartment`."""

    department: Department
    """The new department."""


@api_type
class UpdateDepartmentPayload(MutationPayload):
    """Result of `updateDepartment`."""

    department: Department
    """The department after the change."""


@api_type
class SetDepartmentAgentsPayload(MutationPayload):
    """Result of `setDepartmentAgents`."""

    department: Department
    """The department after the change."""


@api_type
class DepartmentMutations:
    """Mutations of departments."""

    @mutation_field(departments.create_department)
    async def create_department(
        self, info: Info, input: Input[CreateDepartmentInput]
    ) -> CreateDepartmentPayload | None:
        """Creates a department, enabled and without agents. Records `DepartmentSaved`."""
        department = await departments.create_department(
            info.context.mutation(input),
            name=input.name,
            routing=input.routing,
            external_timeout_seconds=input.external_timeout_seconds,
            fallback_routing=input.fallback_routing,
            when_agent_gone=input.when_agent_gone,
            agent_gone_after_seconds=input.agent_gone_after_seconds,
        )
        return CreateDepartmentPayload(
            department=Department.from_record(department), client_mutation_id=input.client_mutation_id
        )

    @mutation_field(departments.update_department)
    async def update_department(
        self, info: Info, input: Input[UpdateDepartmentInput]
    ) -> UpdateDepartmentPayload | None:
        """Changes a department. Rooms that are queued in it are routed by its new rule at once. Records
        `DepartmentSaved`, unless nothing changed."""
        department = await departments.update_department(
            info.context.mutation(input),
            department_id=ids.DEPARTMENT.parse(input.department_id, "departmentId"),
            name=or_unset(input.name),
            enabled=or_unset(input.enabled),
            routing=or_unset(input.routing),
            external_timeout_seconds=or_unset(input.external_timeout_seconds),
            fallback_routing=or_unset(input.fallback_routing),
            when_agent_gone=or_unset(input.when_agent_gone),
            agent_gone_after_seconds=or_unset(input.agent_gone_after_seconds),
        )
        return UpdateDepartmentPayload(
            department=Department.from_record(department), client_mutation_id=input.client_mutation_id
        )

    @mutation_field(departments.set_department_agents)
    async def set_department_agents(
        self, info: Info, input: Input[SetDepartmentAgentsInput]
    ) -> SetDepartmentAgentsPayload | None:
        """Adds agents to a department and removes others, atomically.

        Rooms that are queued in the department may be routed to the added agents at once. Records one `AgentUpdated`
        for each agent who was added or removed.
        """
        department = await departments.set_department_agents(
            info.context.mutation(input),
            department_id=ids.DEPARTMENT.parse(input.department_id, "departmentId"),
            add=ids.AGENT.parse_all(input.add, "add") or (),
            remove=ids.AGENT.parse_all(input.remove, "remove") or (),
        )
        return SetDepartmentAgentsPayload(
            department=Department.from_record(department), client_mutation_id=input.client_mutation_id
        )
