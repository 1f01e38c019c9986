"""Agents: the type, which presents a user with an agent profile, and the queries."""

from typing import Annotated, Self

import strawberry

from resolvers import agents
from resolvers import departments as stored_departments
from schema import departments, rooms, users
from schema.base import ids
from schema.base.connections import After, Before, Connection, First, Last
from schema.base.fields import api_type, as_awaitable, describe_enum, pure_field, query_field, scoped_field
from schema.base.filters import RoomFilter, UserFilter, expression_of
from schema.base.lazy_types import DepartmentRef, RoomRef, UserRef
from schema.base.loaders import PageKey
from schema.base.node import Node
from schema.entity_fields import AgentFields, profile_of
from schema.execution.context import Info
from storage import records
from storage.filters.attributes import is_routable

describe_enum(
    records.AgentStatus,
    "Whether an agent takes new rooms. The status does not affect the rooms it serves already.",
    AVAILABLE="The agent takes new rooms.",
    NOT_AVAILABLE="The agent takes no new rooms.",
)


@api_type
class Agent(Node, AgentFields):
    """An omnichannel agent: a user who serves rooms."""

    user_id: strawberry.ID
    """The id of the agent's user."""
    routable: bool
    """Whether the agent can take a room now: its user is active, its status is AVAILABLE, it has fewer rooms than
    `maxRooms`, and its user is not OFFLINE or has the role `bot`. Routing offers it a room only if `acceptsRouting` is
    true, too."""
    record: strawberry.Private[records.User]
    profile: strawberry.Private[records.AgentProfile]

    @classmethod
    def from_record(cls, record: records.User) -> Self:
        profile = profile_of(record)
        return cls(
            id=ids.AGENT.format(record.id),
            user_id=ids.USER.format(record.id),
            status=profile.status,
            accepts_routing=profile.accepts_routing,
            max_rooms=profile.max_rooms,
            open_room_count=profile.open_room_count,
            routable=is_routable(record),
            last_assigned_at=profile.last_assigned_at,
            record=record,
            profile=profile,
        )

    @pure_field
    def user(self) -> UserRef:
        """The agent's user."""
        return users.User.from_record(self.record)

    @pure_field
    def departments(self, info: Info) -> list[DepartmentRef]:
        """The departments the agent works in, in the order in which they were created."""
        if not self.profile.department_ids:
            return []
        ids = sorted(self.profile.department_ids)  # the order of ids is the order of creation
        cached = stored_departments.cached(info.context.resolver_context, ids)
        if cached is None:
            return as_awaitable(self._departments(info, ids))
        return [departments.Department.from_record(department) for department in cached]

    async def _departments(self, info: Info, ids: list[str]) -> list[DepartmentRef]:
        found = await info.context.loaders.departments.load_many(ids)
        return [departments.Department.from_record(department) for department in found]

    @scoped_field("rooms:read")
    async def rooms(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        where: Annotated[
            RoomFilter | None,
            strawberry.argument(
                description="Returns only the agent's rooms that match this filter. All of them if null."
            ),
        ] = None,
    ) -> Connection[RoomRef] | None:
        """The rooms the agent serves now, ASSIGNED and ON_HOLD, oldest first."""
        page = await info.context.loaders.rooms_of_agents.load(
            PageKey(self.record.id, first, after, last, before, expression_of(where))
        )
        return Connection.from_page(page, rooms.Room.from_record)


@api_type
class AgentQueries:
    """Queries of agents."""

    @query_field(agents.find_agent)
    async def agent(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The id of the agent or of its user.")],
    ) -> Agent | None:
        """One agent. Null if there is no such user, or if the user is not an agent."""
        user = await agents.find_agent(info.context.resolver_context, id=ids.AGENT.parse(id, "id"))
        return None if user is None else Agent.from_record(user)

    @query_field(agents.list_agents)
    async def agents(
        self,
        info: Info,
        where: Annotated[
            UserFilter | None,
            strawberry.argument(description="Returns only agents whose user matches this filter. All agents if null."),
        ] = None,
        routable: Annotated[
            bool | None,
            strawberry.argument(
                description=(
                    "Returns only agents that can take a room now (true), or only agents that cannot (false). All "
                    "agents if null."
                )
            ),
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Agent] | None:
        """The omnichannel agents that match the filter, in the order in which their users were created."""
        page = await agents.list_agents(
            info.context.resolver_context,
            where=expression_of(where),
            routable=routable,
            first=first,
            after=after,
            last=last,
            before=before,
        )
        return Connection.from_page(page, Agent.from_record)
