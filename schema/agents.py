"""Agents: the type, which is a view of a user with an agent profile, and how agents are found."""

from datetime import datetime
from typing import Annotated, Self

import msgspec
import strawberry

from resolvers import agents
from schema import departments, rooms, users
from schema.base import ids
from schema.base.connections import After, Before, Connection, First, Last
from schema.base.fields import api_type, as_awaitable, describe_enum, field, query_field, scoped_field
from schema.base.filters import RoomFilter, UserFilter, expression_of
from schema.base.lazy_types import DepartmentRef, RoomRef, UserRef
from schema.base.loaders import PageKey
from schema.base.node import Node
from schema.execution.context import Info
from storage import records
from storage.filters.attributes import is_routable

describe_enum(
    records.AgentStatus,
    "Whether an agent takes new rooms. What it serves already it goes on serving either way.",
    AVAILABLE="Takes new rooms.",
    NOT_AVAILABLE="Takes none.",
)

#: Somebody who was an agent and no longer is: still named by the rooms served.
FORMER_PROFILE = records.AgentProfile(status=records.AgentStatus.NOT_AVAILABLE)


@api_type
class Agent(Node):
    """A user as an omnichannel agent: one who serves rooms."""

    user_id: strawberry.ID
    """The id of its user."""
    status: records.AgentStatus
    """Whether it takes new rooms."""
    accepts_routing: bool
    """Whether routing offers it rooms. An agent with false gets rooms by `assignAgent`, `takeRoom` and `transferRoom`
    alone."""
    max_rooms: int | None
    """How many rooms it may have ASSIGNED at once; never exceeded. No limit when null."""
    open_room_count: int
    """How many rooms it has ASSIGNED. Rooms ON_HOLD do not count."""
    routable: bool
    """Whether it can be given a room now, by routing only if `acceptsRouting` is true: its user is active, it is
    AVAILABLE and below `maxRooms`, and its user is not OFFLINE or has the role `bot`."""
    last_assigned_at: datetime | None
    """When it was last given a room; null when it never was."""
    record: strawberry.Private[records.User]
    profile: strawberry.Private[records.AgentProfile]

    @classmethod
    def from_record(cls, record: records.User) -> Self:
        profile = record.agent or FORMER_PROFILE
        if record.agent is None and record.leave is not None:  # its rooms are going back to the queue
            profile = msgspec.structs.replace(FORMER_PROFILE, open_room_count=record.leave.open_room_count)
        return cls(
            id=ids.AGENT.add(record.id),
            user_id=ids.USER.add(record.id),
            status=profile.status,
            accepts_routing=profile.accepts_routing,
            max_rooms=profile.max_rooms,
            open_room_count=profile.open_room_count,
            routable=is_routable(record),
            last_assigned_at=profile.last_assigned_at,
            record=record,
            profile=profile,
        )

    @field
    def user(self) -> UserRef:
        """The user that it is."""
        return users.User.from_record(self.record)

    @field
    def departments(self, info: Info) -> list[DepartmentRef]:
        """The departments it works in, in the order in which they came to be."""
        return as_awaitable(self._departments(info)) if self.profile.department_ids else []

    async def _departments(self, info: Info) -> list[DepartmentRef]:
        ids = sorted(self.profile.department_ids)  # the order of ids is the order of creation
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
            strawberry.argument(description="Only rooms of which this holds; all of its own when null."),
        ] = None,
    ) -> Connection[RoomRef] | None:
        """The rooms it serves now, ASSIGNED and ON_HOLD, oldest first."""
        page = await info.context.loaders.rooms_of_agents.load(
            PageKey(self.record.id, first, after, last, before, expression_of(where))
        )
        return Connection.from_page(page, rooms.Room.from_record)


@api_type
class AgentQueries:
    """Reading agents."""

    @query_field(agents.find_agent)
    async def agent(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The id of the agent, or of its user.")],
    ) -> Agent | None:
        """One agent; null when there is no such user, or when the user is no agent."""
        user = await agents.find_agent(info.context.resolver_context, id=ids.AGENT.take(id, "id"))
        return None if user is None else Agent.from_record(user)

    @query_field(agents.list_agents)
    async def agents(
        self,
        info: Info,
        where: Annotated[
            UserFilter | None, strawberry.argument(description="Only agents whose user this holds of; all when null.")
        ] = None,
        routable: Annotated[
            bool | None,
            strawberry.argument(
                description="Only those who can be given a room now (true), or cannot (false); all when null."
            ),
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Agent] | None:
        """The omnichannel agents of which the filter holds, in the order in which their users were created."""
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
