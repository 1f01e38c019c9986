"""Explanations of routing: why nobody serves a waiting room."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from resolvers import room_routing, validation
from resolvers.routing import explanation
from schema.agents import Agent
from schema.base import ids
from schema.base.fields import api_type, describe_enum, field, query_field
from schema.execution.context import Info
from storage.records import RoutingMethod

describe_enum(
    explanation.NotOffered,
    "The first reason why routing does not offer a room to an agent, in the order of these values.",
    INACTIVE="The user is deactivated.",
    NOT_AVAILABLE="The agent's status is NOT_AVAILABLE.",
    OFFLINE="The user is OFFLINE and does not have the role `bot`.",
    AT_CAPACITY="The agent serves as many rooms as its `maxRooms` allows.",
    NOT_ACCEPTING="The agent does not accept routing (`acceptsRouting`).",
    PASSED_OVER="The room was taken from the agent, and no other agent has served it since (`passedOver`).",
    FILTERED_OUT="The agent does not match the filter of the room (`agentFilter`).",
)


@api_type
class AgentConsidered:
    """An agent to whom a room may be offered."""

    agent: Agent
    """The agent."""
    reason: explanation.NotOffered | None
    """The first reason why routing does not offer the room to the agent. Null if there is none."""


@api_type
class RoutingExplanation:
    """Why a waiting room has no agent, and what happens next."""

    method: RoutingMethod
    """The method that routes the room now: that of its department, or the fallback once no app decides any more."""
    position: int
    """The place of the room in the queue of its department, from 1. 0 if the room does not wait."""
    next_change_at: datetime | None
    """When the routing of the room changes if nobody changes anything: the end of an app's time to decide, or of the
    `agentFilter`. Null if there is no such time."""
    summary: str
    """The explanation in a sentence or two, for people."""
    record: strawberry.Private[explanation.Explanation]

    @classmethod
    def from_record(cls, record: explanation.Explanation) -> Self:
        return cls(
            method=record.method,
            position=record.position,
            next_change_at=record.next_change_at,
            summary=record.summary,
            record=record,
        )

    @field
    def considered(
        self,
        first: Annotated[int, strawberry.argument(description="How many agents, from 1 to 200.")] = 50,
    ) -> list[AgentConsidered]:
        """The agents of the room's department (all agents for a room without one), in the order in which routing offers
        them the room. Empty if the room does not wait."""
        count = validation.number(first, "first", minimum=1, maximum=room_routing.MAX_CONSIDERED)
        return [
            AgentConsidered(agent=Agent.from_record(one.agent), reason=one.reason)
            for one in self.record.considered[:count]
        ]


@api_type
class RoutingQueries:
    """Queries about routing."""

    @query_field(room_routing.explain_routing)
    async def explain_routing(
        self,
        info: Info,
        room_id: Annotated[strawberry.ID, strawberry.argument(description="The id of the room.")],
    ) -> RoutingExplanation | None:
        """Why nobody serves a waiting room, and what routing does next. Null if there is no such room that you may
        read."""
        found = await room_routing.explain_routing(
            info.context.resolver_context, room_id=ids.ROOM.parse(room_id, "roomId")
        )
        return None if found is None else RoutingExplanation.from_record(found)
