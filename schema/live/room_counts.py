"""The query and the subscription `roomCounts`: the numbers of rooms in groups."""

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
    """The properties that `roomCounts` can group rooms by."""

    STATUS = "STATUS"
    """The status."""
    DEPARTMENT = "DEPARTMENT"
    """The department of the room."""
    SERVED_BY = "SERVED_BY"
    """The agent who serves the room."""
    SOURCE = "SOURCE"
    """The source."""


@api_type
class RoomCount:
    """The number of rooms in one group."""

    count: int
    """The number of rooms in the group, at least 1."""
    status: RoomStatus | None
    """The status of the rooms. Null if the rooms are not grouped by STATUS."""
    source: str | None
    """The source of the rooms. Null if the rooms are not grouped by SOURCE."""
    oldest_queued_at: datetime | None
    """When the group's room that has waited longest was queued. Null if no room of the group is QUEUED."""
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
        """The department of the rooms. Null for rooms without a department, and if the rooms are not grouped by
        DEPARTMENT."""
        return None if self.department_id is None else as_awaitable(_department(info, self.department_id))

    @field
    def served_by(self, info: Info) -> AgentRef | None:
        """The agent who serves the rooms. Null for rooms without an agent, and if the rooms are not grouped by
        SERVED_BY."""
        return None if self.served_by_id is None else as_awaitable(_agent(info, self.served_by_id))


@api_type
class RoomCounts:
    """The numbers of rooms in groups, as of a position in the event log."""

    cursor: Cursor
    """The position in the event log that the counts belong to. Later events are not counted."""
    groups: list[RoomCount]
    """One group for each combination of values that occurs. If `by` is empty, one group with all rooms, or none if no
    room matches."""

    @classmethod
    def from_counts(cls, found: counts.RoomCounts) -> Self:
        return cls(cursor=Cursor(found.cursor), groups=[RoomCount.from_count(one) for one in found.groups])


async def _department(info: Info, department_id: str) -> Department:
    return Department.from_record(await info.context.loaders.departments.load(department_id))


async def _agent(info: Info, user_id: str) -> Agent:
    return Agent.from_record(await info.context.loaders.users.load(user_id))


class CountsSource:
    """Counts to be delivered to subscribers (schema/events/deliveries.py)."""

    message_id = None

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
    RoomFilter | None, strawberry.argument(description="Counts only rooms that match this filter. All rooms if null.")
]
By = Annotated[
    list[RoomGrouping],
    strawberry.argument(description="The properties to group by, in any order. If empty, all rooms are one group."),
]


@api_type
class RoomCountQueries:
    """Queries of counts."""

    @query_field(counts.count_rooms)
    async def room_counts(self, info: Info, by: By, where: Counted = None) -> RoomCounts | None:
        """The numbers of rooms that match the filter and that you may read, in groups.

        `QUERY_TOO_COMPLEX` if there are more than 10,000 groups.
        """
        found = await counts.count_rooms(info.context.resolver_context, where=expression_of(where), by=by)
        return RoomCounts.from_counts(found)


@api_type
class RoomCountSubscriptions:
    """Subscriptions to counts."""

    @subscription_field(counts.subscribe_room_counts)
    async def room_counts(self, info: Info, by: By, where: Counted = None) -> AsyncGenerator[RoomCounts, None]:
        """The same counts as the query `roomCounts`: immediately, and again when a count has changed, at most twice a
        second.

        `RATE_LIMITED`, also later, if this server has too many different lists and counts. `UNKNOWN_FIELD`, also later,
        if a custom field of `where` is removed. `QUERY_TOO_COMPLEX` if there are more than 10,000 groups.
        """
        found = await counts.subscribe_room_counts(info.context.resolver_context, where=optional(where), by=by)
        return cast(AsyncGenerator[RoomCounts, None], _sources(found))
