"""`roomCounts`: rooms counted by what they have in common, once and live."""

from collections.abc import AsyncGenerator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self, cast

import strawberry

from resolvers.live import counts
from schema.agents import Agent
from schema.base.fields import api_enum, api_type, as_awaitable, field, query_field, subscription_field
from schema.base.filters import RoomFilter, expression_of, optional
from schema.base.lazy_types import AgentRef, DepartmentRef
from schema.base.scalars import Cursor
from schema.departments import Department
from schema.execution.context import Info
from storage.records import RoomStatus


@api_enum
class RoomGrouping(StrEnum):
    """What rooms can be counted by."""

    STATUS = "STATUS"
    """Whether they wait, are served, are on hold or are closed."""
    DEPARTMENT = "DEPARTMENT"
    """The department they belong to."""
    SERVED_BY = "SERVED_BY"
    """The agent who serves them."""
    SOURCE = "SOURCE"
    """Where they came from."""


@api_type
class RoomCount:
    """How many rooms there are of one group: of those that are equal in what they are counted by."""

    count: int
    """How many rooms the group has; at least 1."""
    status: RoomStatus | None
    """The status of the rooms; null when they are not counted by `STATUS`."""
    source: str | None
    """Where the rooms came from; null when they are not counted by `SOURCE`."""
    oldest_queued_at: datetime | None
    """Since when the room of the group waits that has waited longest; null when none waits."""
    department_id: strawberry.Private[str | None]
    served_by_id: strawberry.Private[str | None]

    @classmethod
    def from_count(cls, one: counts.RoomCount) -> Self:
        return cls(
            count=one.count,
            status=None if one.status is None else RoomStatus(one.status),
            source=one.source,
            oldest_queued_at=one.oldest_queued_at,
            department_id=one.department_id,
            served_by_id=one.served_by_id,
        )

    @field
    def department(self, info: Info) -> DepartmentRef | None:
        """The department of the rooms; null for rooms without one, and when they are not counted by `DEPARTMENT`."""
        return None if self.department_id is None else as_awaitable(_department(info, self.department_id))

    @field
    def served_by(self, info: Info) -> AgentRef | None:
        """Who serves the rooms; null where nobody does, and when they are not counted by `SERVED_BY`."""
        return None if self.served_by_id is None else as_awaitable(_agent(info, self.served_by_id))


@api_type
class RoomCounts:
    """Rooms, counted."""

    cursor: Cursor
    """The position in the event log that the counts are as of: events after it are not counted yet."""
    groups: list[RoomCount]
    """One group for each combination of what the rooms are counted by that exists. Without anything to count by, one
    group with all rooms, or none when no room matches."""

    @classmethod
    def from_counts(cls, found: counts.RoomCounts) -> Self:
        return cls(cursor=Cursor(found.cursor), groups=[RoomCount.from_count(one) for one in found.groups])


async def _department(info: Info, department_id: str) -> Department:
    return Department.from_record(await info.context.loaders.departments.load(department_id))


async def _agent(info: Info, user_id: str) -> Agent:
    return Agent.from_record(await info.context.loaders.users.load(user_id))


class CountsSource:
    """Counts, as deliveries take them."""

    shares_reads = True

    def __init__(self, found: counts.RoomCounts) -> None:
        self.key = found.number
        self.cursor = found.cursor
        self._found = found

    def root(self) -> RoomCounts:
        return RoomCounts.from_counts(self._found)


async def _sources(found: AsyncGenerator[counts.RoomCounts, None]) -> AsyncGenerator[CountsSource, None]:
    try:
        async for one in found:
            yield CountsSource(one)
    finally:
        await found.aclose()


Counted = Annotated[
    RoomFilter | None, strawberry.argument(description="Count only rooms of which this holds; all when null.")
]
By = Annotated[
    list[RoomGrouping],
    strawberry.argument(description="What to count by; the order does not matter. One group of all rooms when empty."),
]


@api_type
class RoomCountQueries:
    """Counting rooms."""

    @query_field(counts.count_rooms)
    async def room_counts(self, info: Info, by: By, where: Counted = None) -> RoomCounts | None:
        """How many rooms there are of which the filter holds and that you may see, by what they have in common.

        `QUERY_TOO_COMPLEX` when there are more than 10,000 groups.
        """
        found = await counts.count_rooms(info.context.resolver_context, where=expression_of(where), by=by)
        return RoomCounts.from_counts(found)


@api_type
class RoomCountSubscriptions:
    """Counts that keep themselves."""

    @subscription_field(counts.subscribe_room_counts)
    async def room_counts(self, info: Info, by: By, where: Counted = None) -> AsyncGenerator[RoomCounts, None]:
        """The same counts as the query `roomCounts`: the first at once, then all of them whenever one changes, at most
        twice a second."""
        found = await counts.subscribe_room_counts(info.context.resolver_context, where=optional(where), by=by)
        return cast(AsyncGenerator[RoomCounts, None], _sources(found))
