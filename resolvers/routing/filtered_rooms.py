"""The waiting rooms with an agent filter, in memory: which of them an agent can serve, without a look at each room.

Rooms with the same department and filter are one group, and so are those that pass over the same agent. Each filter
has the set of the agents that match it. Whether a group can be served is then a question about two sets.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from heapq import merge
from typing import Any, NamedTuple, TypeAlias

import msgspec

from storage import agent_filters
from storage.filters.predicates import predicate
from storage.records import FieldTarget, User, WaitingRoom

Pool: TypeAlias = str | None
Position: TypeAlias = tuple[int, datetime, str]

replace = msgspec.structs.replace


class Group(NamedTuple):
    """What decides who may serve a waiting room."""

    pool: Pool
    #: The text of the filter. None: it is not in force any more.
    filter: str | None
    passed_over_id: str | None
    declined: bool


@dataclass(slots=True)
class _Filter:
    """A filter of waiting rooms."""

    text: str
    matches: Callable[[Any], bool]
    definition_ids: frozenset[str]
    #: All agents that match, whether they accept rooms or not.
    agent_ids: set[str]
    #: The rooms with this filter.
    room_ids: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Rooms:
    """The rooms of a group."""

    #: Their places in the queue, in order.
    positions: list[Position]
    #: The agents that match the filter. None: all.
    agent_ids: Set[str] | None

    def can_be_served(self, accepting: Set[str], passed_over_id: str | None) -> bool:
        """Whether one of the accepting agents matches, and is not passed over."""
        if passed_over_id is None:
            return bool(accepting) if self.agent_ids is None else not accepting.isdisjoint(self.agent_ids)
        allowed = accepting if self.agent_ids is None else accepting & self.agent_ids
        return len(allowed) > (passed_over_id in allowed)


class FilteredRooms:
    """The waiting rooms with an agent filter, as one process cached them."""

    def __init__(self) -> None:
        self._group_of: dict[str, tuple[Group, Position]] = {}
        self._groups: dict[Group, _Rooms] = {}
        #: The filters by their texts, and the text of each room's filter.
        self._filters: dict[str, _Filter] = {}
        self._filter_of: dict[str, str] = {}
        #: When the filters of rooms end, in order.
        self._ends: list[tuple[datetime, str]] = []
        self._end_of: dict[str, datetime] = {}
        #: Ids of definitions of custom fields that were removed. Filters that name them are not in force.
        self._removed: set[str] = set()

    # ---------------------------------------------------------------- updates

    def add(self, room: WaitingRoom, agents: Iterable[User]) -> None:
        """Add a waiting room with a filter. `agents` are all agents."""
        text = room.agent_filter_expression
        assert text is not None
        found = self._filters.get(text)
        if found is None:
            decoded = agent_filters.decode(text)
            matches = predicate(decoded.expression, FieldTarget.USER)
            ids = {user.id for user in agents if user.agent is not None and matches(user)}
            found = self._filters[text] = _Filter(text, matches, decoded.definition_ids, ids)
        found.room_ids.add(room.id)
        text = self._filter_of[room.id] = found.text  # rooms with the same filter share one text
        in_force = found.definition_ids.isdisjoint(self._removed)
        group = Group(room.department_id, text if in_force else None, room.passed_over_id, room.declined)
        self._put(room.id, group, room.queue_position)
        if room.agent_filter_until is not None:
            self._end_of[room.id] = room.agent_filter_until
            insort(self._ends, (room.agent_filter_until, room.id))

    def remove(self, room_id: str) -> None:
        """Remove a room, if it is here."""
        if room_id not in self._group_of:
            return
        self._take(room_id)
        text = self._filter_of.pop(room_id)
        self._filters[text].room_ids.remove(room_id)
        if not self._filters[text].room_ids:
            del self._filters[text]
        if (end := self._end_of.pop(room_id, None)) is not None:
            del self._ends[bisect_left(self._ends, (end, room_id))]

    def update_agent(self, before: User | None, user: User) -> None:
        """Update the agents that match the filters by a change of one."""
        if not self._filters or (before is not None and _filterable(before) == _filterable(user)):
            return
        for found in self._filters.values():
            if user.agent is not None and found.matches(user):
                found.agent_ids.add(user.id)
            else:
                found.agent_ids.discard(user.id)

    def remove_agent(self, user_id: str) -> None:
        for found in self._filters.values():
            found.agent_ids.discard(user_id)

    def remove_definition(self, definition_id: str) -> None:
        """End the filters that name this custom field."""
        self._removed.add(definition_id)
        for found in self._filters.values():
            if definition_id in found.definition_ids:
                for room_id in found.room_ids:
                    self._end_filter(room_id)

    @property
    def definition_ids(self) -> frozenset[str]:
        """The ids of the definitions that filters of waiting rooms name."""
        return frozenset[str]().union(*(found.definition_ids for found in self._filters.values()))

    def _end_filters(self, now: datetime) -> None:
        """End the filters whose time is over."""
        while self._ends and self._ends[0][0] <= now:
            _, room_id = self._ends.pop(0)
            del self._end_of[room_id]
            self._end_filter(room_id)

    def _end_filter(self, room_id: str) -> None:
        group, position = self._take(room_id)
        self._put(room_id, group._replace(filter=None), position)

    def _put(self, room_id: str, group: Group, position: Position) -> None:
        self._group_of[room_id] = (group, position)
        rooms = self._groups.get(group)
        if rooms is None:
            agent_ids = None if group.filter is None else self._filters[group.filter].agent_ids
            rooms = self._groups[group] = _Rooms([], agent_ids)
        insort(rooms.positions, position)

    def _take(self, room_id: str) -> tuple[Group, Position]:
        group, position = self._group_of.pop(room_id)
        positions = self._groups[group].positions
        del positions[bisect_left(positions, position)]
        if not positions:
            del self._groups[group]
        return group, position

    # ---------------------------------------------------------------- reads

    def next_end(self) -> datetime | None:
        """The next time at which the filter of a waiting room ends."""
        return self._ends[0][0] if self._ends else None

    def matching(self, filter: str) -> Set[str]:
        """The agents that match a filter of a waiting room. Empty for other filters."""
        found = self._filters.get(filter)
        return found.agent_ids if found is not None else frozenset()

    def first_servable(
        self,
        accepting: Mapping[Pool, Set[str]],
        *,
        automatic: Collection[Pool],
        fallback: Collection[Pool],
        now: datetime,
        excluding: Collection[str] = (),
        limit: int,
    ) -> list[str]:
        """The ids of the first rooms, in the order of the queue, that one of the `accepting` agents can take.

        `accepting` are the agents of each department (None: of all) to whom routing may offer rooms.
        """
        self._end_filters(now)
        found = [
            rooms.positions
            for group, rooms in self._groups.items()
            if (agents := accepting.get(group.pool))
            and rooms.can_be_served(agents, group.passed_over_id)
            and _is_routed(group, automatic, fallback)
        ]
        first: list[str] = []
        for _, _, room_id in merge(*found):
            if len(first) == limit:
                break
            if room_id not in excluding:
                first.append(room_id)
        return first

    def first_of(
        self,
        agent_id: str,
        *,
        automatic: Collection[Pool],
        fallback: Collection[Pool],
        now: datetime,
        excluding: str,
    ) -> Position | None:
        """The place of the first room in the queue of these departments that the agent could take."""
        self._end_filters(now)
        found = (
            next((position for position in rooms.positions if position[-1] != excluding), None)
            for group, rooms in self._groups.items()
            if (rooms.agent_ids is None or agent_id in rooms.agent_ids)
            and agent_id != group.passed_over_id
            and _is_routed(group, automatic, fallback)
        )
        return min((position for position in found if position is not None), default=None)


def _is_routed(group: Group, automatic: Collection[Pool], fallback: Collection[Pool]) -> bool:
    """Whether routing may assign the rooms of the group."""
    return group.pool in automatic or (group.declined and group.pool in fallback)


def _filterable(user: User) -> User:
    """The user without the values that no filter reads and that change often."""
    agent = user.agent and replace(user.agent, open_room_count=0, last_assigned_at=None)
    return replace(user, version=0, fact_count=0, updated_at=user.created_at, agent=agent, leave=None)
