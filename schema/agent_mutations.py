"""Making agents of users, and changing how they work."""

import strawberry

from resolvers import agents
from resolvers.custom_fields.definitions import FieldRef
from schema.agents import Agent
from schema.base.fields import api_input, api_type, mutation_field, or_unset
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.custom_fields import CustomFieldInput, CustomFieldRef, assignments
from schema.execution.context import Info
from schema.user_mutations import UserPayload
from schema.users import User
from storage import records


@api_input
class AddAgentInput(MutationInput):
    """A user to make an agent of, and how it will work."""

    user_id: strawberry.ID
    """The user; `NOT_FOUND` when there is none."""
    status: records.AgentStatus = records.AgentStatus.AVAILABLE
    """Whether it takes new rooms at once."""
    accepts_routing: bool = True
    """Whether routing offers it rooms. An agent with false gets rooms by `assignAgent`, `takeRoom` and `transferRoom`
    alone."""
    max_rooms: int | None = None
    """How many rooms it may have ASSIGNED at once, from 0 to 100,000; no limit when null."""
    department_ids: list[strawberry.ID] | None = None
    """The departments it will work in, up to 100; `NOT_FOUND` when one does not exist."""


@api_input
class RemoveAgentInput(MutationInput):
    """An agent that will be an agent no longer."""

    user_id: strawberry.ID
    """The user; `NOT_FOUND` when there is none, `NOT_AN_AGENT` when it is none."""


@api_input
class SetAgentStatusInput(MutationInput):
    """Whether an agent takes new rooms."""

    agent_id: strawberry.ID
    """The agent; `NOT_FOUND` when there is no such user, `NOT_AN_AGENT` when the user is none."""
    status: records.AgentStatus
    """The new status."""


@api_input
class UpdateAgentInput(MutationInput):
    """How an agent will work. What is left out stays as it is."""

    agent_id: strawberry.ID
    """The agent; `NOT_FOUND` when there is no such user, `NOT_AN_AGENT` when the user is none."""
    accepts_routing: bool | None = strawberry.UNSET
    """Whether routing offers it rooms; `INVALID_INPUT` for null. Rooms that the agent has stay with it."""
    max_rooms: int | None = strawberry.UNSET
    """How many rooms it may have ASSIGNED at once; null lifts the limit. Rooms beyond a lowered limit stay with it."""
    department_ids: list[strawberry.ID] | None = strawberry.UNSET
    """The departments it works in instead of the present ones; null takes it out of all."""


@api_input
class EnsureAgentInput(MutationInput):
    """An agent that an outside system knows by an id of its own, and what is to be true of it."""

    by: CustomFieldRef
    """The unique custom field, and its value, that identify the user. A user that is created holds it."""
    username: str
    """The username; `USERNAME_TAKEN` when another user than the one found has it."""
    name: str | None = strawberry.UNSET
    """The name to show to people."""
    emails: list[str] | None = strawberry.UNSET
    """The email addresses."""
    type: records.UserType = records.UserType.USER
    """What a user that is created will be; one that exists keeps its type."""
    roles: list[str] | None = None
    """Roles to hold besides those held already, by name. Needs the scope `roles:write` too."""
    custom_fields: list[CustomFieldInput] | None = None
    """Values of further custom fields. They merge with what the user holds, key by key."""
    status: records.AgentStatus | None = None
    """Whether it takes new rooms; when null, a new agent is AVAILABLE and an existing one stays as it is."""
    accepts_routing: bool | None = None
    """Whether routing offers it rooms; when null, routing offers rooms to a new agent, and an existing one stays as it
    is. False is what a program wants that assigns rooms itself."""
    max_rooms: int | None = strawberry.UNSET
    """How many rooms it may have ASSIGNED at once; null lifts the limit, left out leaves it."""
    department_ids: list[strawberry.ID] | None = strawberry.UNSET
    """The departments it works in; null takes it out of all, left out leaves it in those it is in."""


@api_type
class AddAgentPayload(MutationPayload):
    """The agent that a user now is."""

    agent: Agent
    """The agent as it is now."""
    added: bool
    """Whether it became one by this. It is false when the user was an agent already; then nothing was changed."""


@api_type
class RemoveAgentPayload(UserPayload):
    """The user that is no longer an agent."""


@api_type
class SetAgentStatusPayload(MutationPayload):
    """The agent with its status."""

    agent: Agent
    """The agent as it is now."""


@api_type
class UpdateAgentPayload(MutationPayload):
    """The agent with what was changed about it."""

    agent: Agent
    """The agent as it is now."""


@api_type
class EnsureAgentPayload(MutationPayload):
    """The agent that was found or made."""

    agent: Agent
    """The agent as it is now."""
    created: bool
    """Whether its user was created by this. false when it existed, also when another call created it a moment
    before."""


@api_type
class AgentMutations:
    """Changing agents."""

    @mutation_field(agents.add_agent)
    async def add_agent(self, info: Info, input: Input[AddAgentInput]) -> AddAgentPayload | None:
        """Makes a user an omnichannel agent, and gives it the role `livechat-agent`.

        One that is an agent already stays as it is, whatever else is given: `updateAgent` changes it.

        Rooms that wait may be routed to it at once, unless `acceptsRouting` is false. Recorded as `AgentAdded`, and as
        `UserRolesChanged` when the role was new to it.
        """
        result = await agents.add_agent(
            info.context.mutation(input.client_mutation_id),
            user_id=input.user_id,
            status=input.status,
            accepts_routing=input.accepts_routing,
            max_rooms=input.max_rooms,
            department_ids=input.department_ids,
        )
        return AddAgentPayload(
            agent=Agent.from_record(result.user), added=result.added, client_mutation_id=input.client_mutation_id
        )

    @mutation_field(agents.remove_agent)
    async def remove_agent(self, info: Info, input: Input[RemoveAgentInput]) -> RemoveAgentPayload | None:
        """Ends a user's being an agent, and takes the role `livechat-agent` from it. The user stays.

        The rooms it serves go back into the queue, each with its events (`AgentUnassigned` with the cause
        AGENT_REMOVED): the first 50 at once, more in the background. Recorded as `AgentRemoved`, which comes first.
        """
        user = await agents.remove_agent(info.context.mutation(input.client_mutation_id), user_id=input.user_id)
        return RemoveAgentPayload(user=User.from_record(user), client_mutation_id=input.client_mutation_id)

    @mutation_field(agents.set_agent_status)
    async def set_agent_status(self, info: Info, input: Input[SetAgentStatusInput]) -> SetAgentStatusPayload | None:
        """Says whether an agent takes new rooms. Needs the scope `agents:write`, but for agents who speak of
        themselves.

        One that becomes AVAILABLE may be routed to at once; one that becomes NOT_AVAILABLE keeps the rooms it has.
        Recorded as `AgentStatusChanged`, unless nothing changed.
        """
        user = await agents.set_agent_status(
            info.context.mutation(input.client_mutation_id), agent_id=input.agent_id, status=input.status
        )
        return SetAgentStatusPayload(agent=Agent.from_record(user), client_mutation_id=input.client_mutation_id)

    @mutation_field(agents.update_agent)
    async def update_agent(self, info: Info, input: Input[UpdateAgentInput]) -> UpdateAgentPayload | None:
        """Changes an agent's limit, departments, or whether routing offers it rooms.

        A higher limit, a new department or `acceptsRouting: true` may bring it rooms at once. Recorded as
        `AgentUpdated`, unless nothing changed.
        """
        user = await agents.update_agent(
            info.context.mutation(input.client_mutation_id),
            agent_id=input.agent_id,
            accepts_routing=or_unset(input.accepts_routing),
            max_rooms=or_unset(input.max_rooms),
            department_ids=or_unset(input.department_ids),
        )
        return UpdateAgentPayload(agent=Agent.from_record(user), client_mutation_id=input.client_mutation_id)

    @mutation_field(agents.ensure_agent)
    async def ensure_agent(self, info: Info, input: Input[EnsureAgentInput]) -> EnsureAgentPayload | None:
        """Finds the user that holds a unique value, or creates it, and makes sure that it is an agent: in one step.

        However many call this at once with the same value, there will be one user and one agent, and all get the same
        answer. One that exists is updated with what is given. Recorded as `UserCreated`, `UserUpdated`,
        `UserRolesChanged`, `AgentAdded`, `AgentUpdated` and `AgentStatusChanged`, as far as they happened.
        """
        result = await agents.ensure_agent(
            info.context.mutation(input.client_mutation_id),
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
            department_ids=or_unset(input.department_ids),
        )
        return EnsureAgentPayload(
            agent=Agent.from_record(result.user), created=result.created, client_mutation_id=input.client_mutation_id
        )
