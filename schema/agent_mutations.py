"""Mutations that make users agents and change agents."""

import strawberry

from resolvers import agents
from resolvers.custom_fields.definitions import FieldRef
from schema.agents import Agent
from schema.base import ids
from schema.base.fields import api_input, api_type, mutation_field, or_unset
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.custom_fields import CustomFieldInput, CustomFieldRef, assignments
from schema.execution.context import Info
from schema.user_mutations import UserPayload
from schema.users import User
from storage import records


@api_input
class AddAgentInput(MutationInput):
    """Input of `addAgent`."""

    user_id: strawberry.ID
    """The id of the user. `NOT_FOUND` if there is no such user."""
    status: records.AgentStatus = records.AgentStatus.AVAILABLE
    """Whether the agent takes new rooms."""
    accepts_routing: bool = True
    """Whether routing offers rooms to the agent. If false, the agent gets rooms only by `assignAgent`, `takeRoom` and
    `transferRoom`."""
    max_rooms: int | None = None
    """The maximum number of rooms the agent may have ASSIGNED at once, 0 to 100,000. No limit if null."""
    department_ids: list[strawberry.ID] | None = None
    """The departments the agent works in, up to 100. `NOT_FOUND` if one does not exist."""


@api_input
class RemoveAgentInput(MutationInput):
    """Input of `removeAgent`."""

    user_id: strawberry.ID
    """The id of the user. `NOT_FOUND` if there is no such user, `NOT_AN_AGENT` if the user is not an agent."""


@api_input
class SetAgentStatusInput(MutationInput):
    """Input of `setAgentStatus`."""

    agent_id: strawberry.ID
    """The id of the agent. `NOT_FOUND` if there is no such user, `NOT_AN_AGENT` if the user is not an agent."""
    status: records.AgentStatus
    """The new status."""


@api_input
class UpdateAgentInput(MutationInput):
    """Input of `updateAgent`. Fields that are left out keep their values."""

    agent_id: strawberry.ID
    """The id of the agent. `NOT_FOUND` if there is no such user, `NOT_AN_AGENT` if the user is not an agent."""
    accepts_routing: bool | None = strawberry.UNSET
    """Whether routing offers rooms to the agent; `INVALID_INPUT` for null. The agent keeps the rooms it has."""
    max_rooms: int | None = strawberry.UNSET
    """The maximum number of rooms the agent may have ASSIGNED at once; null removes the limit. If the agent has more
    rooms than a new limit allows, it keeps them."""
    department_ids: list[strawberry.ID] | None = strawberry.UNSET
    """The departments the agent works in, replacing the current ones; null removes the agent from all departments."""


@api_input
class EnsureAgentInput(MutationInput):
    """Input of `ensureAgent`."""

    by: CustomFieldRef
    """The unique custom field and the value that identify the user. A user that is created gets this value."""
    username: str
    """The username. `USERNAME_TAKEN` if another user has it."""
    name: str | None = strawberry.UNSET
    """The display name."""
    emails: list[str] | None = strawberry.UNSET
    """The email addresses."""
    type: records.UserType = records.UserType.USER
    """The type of a user that is created. An existing user keeps its type."""
    roles: list[str] | None = None
    """Names of roles to add to the user's roles. Also needs the scope `roles:write`."""
    custom_fields: list[CustomFieldInput] | None = None
    """Values of further custom fields. They are merged with the user's values key by key."""
    status: records.AgentStatus | None = None
    """Whether the agent takes new rooms. If null, a new agent is AVAILABLE and an existing agent keeps its status."""
    accepts_routing: bool | None = None
    """Whether routing offers rooms to the agent. If null, it does for a new agent, and an existing agent keeps its
    setting. A program that assigns rooms itself sets it to false."""
    max_rooms: int | None = strawberry.UNSET
    """The maximum number of rooms the agent may have ASSIGNED at once; null removes the limit."""
    department_ids: list[strawberry.ID] | None = strawberry.UNSET
    """The departments the agent works in, replacing the current ones; null removes the agent from all departments."""


@api_type
class AddAgentPayload(MutationPayload):
    """Result of `addAgent`."""

    agent: Agent
    """The agent after the change."""
    added: bool
    """Whether this mutation made the user an agent. If false, the user was an agent already, and nothing was
    changed."""


@api_type
class RemoveAgentPayload(UserPayload):
    """Result of `removeAgent`."""


@api_type
class SetAgentStatusPayload(MutationPayload):
    """Result of `setAgentStatus`."""

    agent: Agent
    """The agent after the change."""


@api_type
class UpdateAgentPayload(MutationPayload):
    """Result of `updateAgent`."""

    agent: Agent
    """The agent after the change."""


@api_type
class EnsureAgentPayload(MutationPayload):
    """Result of `ensureAgent`."""

    agent: Agent
    """The agent after the change."""
    created: bool
    """Whether this mutation created the user. False also if a concurrent call created it."""


@api_type
class AgentMutations:
    """Mutations of agents."""

    @mutation_field(agents.add_agent)
    async def add_agent(self, info: Info, input: Input[AddAgentInput]) -> AddAgentPayload | None:
        """Makes a user an omnichannel agent and adds the role `livechat-agent`.

        If the user is an agent already, nothing changes, whatever the other arguments are; use `updateAgent` to change
        an agent.

        Unless `acceptsRouting` is false, queued rooms may be routed to the agent at once. Records `AgentAdded`, and
        `UserRolesChanged` if the user did not have the role.
        """
        result = await agents.add_agent(
            info.context.mutation(input),
            user_id=ids.USER.parse(input.user_id, "userId"),
            status=input.status,
            accepts_routing=input.accepts_routing,
            max_rooms=input.max_rooms,
            department_ids=ids.DEPARTMENT.parse_all(input.department_ids, "departmentIds"),
        )
        return AddAgentPayload(
            agent=Agent.from_record(result.user), added=result.added, client_mutation_id=input.client_mutation_id
        )

    @mutation_field(agents.remove_agent)
    async def remove_agent(self, info: Info, input: Input[RemoveAgentInput]) -> RemoveAgentPayload | None:
        """Makes an agent an ordinary user and removes the role `livechat-agent`.

        The rooms the agent serves return to the queue, the first 50 at once and the others in the background. Records
        `AgentRemoved` and, for each of these rooms, `AgentUnassigned` with the cause AGENT_REMOVED.
        """
        user = await agents.remove_agent(info.context.mutation(input), user_id=ids.USER.parse(input.user_id, "userId"))
        return RemoveAgentPayload(user=User.from_record(user), client_mutation_id=input.client_mutation_id)

    @mutation_field(agents.set_agent_status)
    async def set_agent_status(self, info: Info, input: Input[SetAgentStatusInput]) -> SetAgentStatusPayload | None:
        """Sets whether an agent takes new rooms. Agents may set their own status; for other agents, it needs the scope
        `agents:write`.

        If the agent becomes AVAILABLE, queued rooms may be routed to it at once. If it becomes NOT_AVAILABLE, it keeps
        its rooms. Records `AgentStatusChanged`, unless nothing changed.
        """
        user = await agents.set_agent_status(
            info.context.mutation(input),
            agent_id=ids.AGENT.parse(input.agent_id, "agentId"),
            status=input.status,
        )
        return SetAgentStatusPayload(agent=Agent.from_record(user), client_mutation_id=input.client_mutation_id)

    @mutation_field(agents.update_agent)
    async def update_agent(self, info: Info, input: Input[UpdateAgentInput]) -> UpdateAgentPayload | None:
        """Changes an agent's room limit, its departments, and whether routing offers it rooms.

        A higher limit, a new department or `acceptsRouting: true` may cause queued rooms to be routed to the agent at
        once. Records `AgentUpdated`, unless nothing changed.
        """
        user = await agents.update_agent(
            info.context.mutation(input),
            agent_id=ids.AGENT.parse(input.agent_id, "agentId"),
            accepts_routing=or_unset(input.accepts_routing),
            max_rooms=or_unset(input.max_rooms),
            department_ids=or_unset(ids.DEPARTMENT.parse_all(input.department_ids, "departmentIds")),
        )
        return UpdateAgentPayload(agent=Agent.from_record(user), client_mutation_id=input.client_mutation_id)

    @mutation_field(agents.ensure_agent)
    async def ensure_agent(self, info: Info, input: Input[EnsureAgentInput]) -> EnsureAgentPayload | None:
        """Finds the user with a unique custom field value, or creates it, and makes it an agent, atomically.

        Concurrent calls with the same value result in one user and one agent, and all return it. An existing agent is
        updated with the fields that are given. Records `UserCreated`, `UserUpdated`, `UserRolesChanged`, `AgentAdded`,
        `AgentUpdated` and `AgentStatusChanged`, each only if it applies.
        """
        result = await agents.ensure_agent(
            info.context.mutation(input),
            by=FieldRef(key=input.by.key, value=input.by.value),
            username=input.username,
            name=or_unset(input.name),
            emails=or_unset(input.emails),
            type=input.type,
            roles=input.roles,
            custom_fields=assignments(input.custom_fields),
            status=input.status,
            accepts_routing=input.accepts_routing,
            max_rooms=or_unset(input.max_rooms),
            department_ids=or_unset(ids.DEPARTMENT.parse_all(input.department_ids, "departmentIds")),
        )
        return EnsureAgentPayload(
            agent=Agent.from_record(result.user), created=result.created, client_mutation_id=input.client_mutation_id
        )
