"""The waiting rooms with an agent filter, in memory: which of them an agent can serve, without a look at each room.

Rooms with the same department and filter are one group, and so are those that pass over the same agent. Each filter
has the set of the agents that match it (filter_matches.py). Whether a group can be served is then a question about two
sets.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import chain
from typing import NamedTuple, TypeAlias

from resolvers.routing.filter_matches import FilterMatches
from storage.records import User, WaitingRoom

#: How many removed custom fields are remembered, for rooms in events that arrive late.
MAX_REMOVED_FIELDS = 1_000

Pool: TypeAlias = str | None
Position: TypeAlias = tuple[int, datetime, str]


class Group(NamedTuple):
    """What decides who may serve a waiting room."""

    pool: Pool
    #: The text of the filter. None: it is not in force any more.
    filter: str | None
    passed_over_id: str | None
    declined: bool


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
    """The waiting rooms with an agent filter, as one process cached them. `agents` has the agents, as they are now."""

    def __init__(self, agents: Mapping[str, User]) -> None:
        self.matches = FilterMatches(agents)
        self._group_of: dict[str, tuple[Group, Position]] = {}
        self._groups: dict[Group, _Rooms] = {}
        #: By filter, the groups and the ids of the rooms with it.
        self._groups_with: dict[str | None, set[Group]] = {}
        self._rooms_with: dict[str, set[str]] = {}
        #: The filter of each room, also after its end.
        self._filter_of: dict[str, str] = {}
        #: When the filters of rooms end, in order.
        self._ends: list[tuple[datetime, str]] = []
        self._end_of: dict[str, datetime] = {}
        #: Ids of definitions of custom fields that were removed, in order. Filters that name them are not in force.
        self._removed: dict[str, None] = {}

    # ---------------------------------------------------------------- updates

    def add(self, room: WaitingRoom) -> None:
        """Add a waiting room with a filter."""
        assert room.agent_filter_expression is not None
        text = self.matches.add(room.agent_filter_expression)
        self._rooms_with.setdefault(text, set()).add(room.id)
        self._filter_of[room.id] = text  # rooms with the same filter share one text
        in_force = self.matches.definition_ids(text).isdisjoint(self._removed)
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
        self._rooms_with[text].remove(room_id)
        if not self._rooms_with[text]:
            del self._rooms_with[text]
            self.matches.remove(text)
        if (end := self._end_of.pop(room_id, None)) is not None:
            del self._ends[bisect_left(self._ends, (end, room_id))]

    def remove_definition(self, definition_id: str) -> None:
        """End the filters that name this custom field."""
        self._removed[definition_id] = None
        if len(self._removed) > MAX_REMOVED_FIELDS:
            del self._removed[next(iter(self._removed))]
        for text, room_ids in self._rooms_with.items():
            if definition_id in self.matches.definition_ids(text):
                for room_id in room_ids:
                    self._end_filter(room_id)

    @property
    def definition_ids(self) -> frozenset[str]:
        """The ids of the definitions that filters of waiting rooms name."""
        return frozenset[str]().union(*map(self.matches.definition_ids, self._rooms_with))

    def _end_filters(self, now: datetime) -> None:
        """End the filters whose time is over."""
        count = bisect_right(self._ends, now, key=lambda end: end[0])
        ended, self._ends[:count] = self._ends[:count], []
        for _, room_id in ended:
            del self._end_of[room_id]
            self._end_filter(room_id)

    def _end_filter(self, room_id: str) -> None:
        group, position = self._take(room_id)
        self._put(room_id, group._replace(filter=None), position)

    def _put(self, room_id: str, group: Group, position: Position) -> None:
        self._group_of[room_id] = (group, position)
        rooms = self._groups.get(group)
        if rooms is None:
            agent_ids = None if group.filter is None else self.matches.agents_of(group.filter)
            rooms = self._groups[group] = _Rooms([], agent_ids)
            self._groups_with.setdefault(group.filter, set()).add(group)
        insort(rooms.positions, position)

    def _take(self, room_id: str) -> tuple[Group, Position]:
        group, position = self._group_of.pop(room_id)
        positions = self._groups[group].positions
        del positions[bisect_left(positions, position)]
        if not positions:
            del self._groups[group]
            groups = self._groups_with[group.filter]
            groups.remove(group)
            if not groups:
                del self._groups_with[group.filter]
        return group, position

    # ---------------------------------------------------------------- reads

    def next_end(self) -> datetime | None:
        """The next time at which the filter of a waiting room ends."""
        return self._ends[0][0] if self._ends else None

    def _groups_for(self, agent_ids: Collection[str]) -> Iterable[Group]:
        """All groups that one of the agents can serve, and perhaps others."""
        filters = [self.matches.filters_of(agent_id) for agent_id in agent_ids]
        if sum(map(len, filters)) >= len(self._groups):
            return self._groups
        texts = (text for text in {None}.union(*filters) if text in self._groups_with)
        return chain.from_iterable(self._groups_with[text] for text in texts)

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
            for group in self._groups_for(set[str]().union(*accepting.values()))
            if (agents := accepting.get(group.pool))
            and (rooms := self._groups[group]).can_be_served(agents, group.passed_over_id)
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
            for group in self._groups_for((agent_id,))
            if ((rooms := self._groups[group]).agent_ids is None or agent_id in rooms.agent_ids)
            and agent_id != group.passed_over_id
            and _is_routed(group, automatic, fallback)
        )
        return min((position for position in found if position is not None), default=None)


def _is_routed(group: Group, automatic: Collection[Pool], fallback: Collection[Pool]) -> bool:
    """Whether routing may assign the rooms of the group."""
    return group.pool in automatic or (group.declined and group.pool in fallback)
