"""A cache of all agents and waiting rooms in one process, updated from its own commits and from the log.

Routing chooses an agent from it without a query. The cache may be outdated: an assignment stores the agent only if its
version is still the cached one, and conflicts otherwise (assignment.py).
"""

from bisect import bisect_left, insort
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from heapq import nsmallest
from typing import TypeAlias

import msgspec

from resolvers.routing.filtered_rooms import FilteredRooms
from resolvers.routing.policy import offer_key
from resolvers.routing.shares import ALL, Contention, Share
from storage import agent_filters, users, waiting_rooms
from storage.facts import CustomFieldRemoved, Fact, RoomFact, UserFact
from storage.filters.attributes import BOT_ROLE, accepts_rooms
from storage.mongo.reader import Reader
from storage.records import Candidate, FieldTarget, Room, RoomStatus, RoutingMethod, User, WaitingRoom

#: Rooms whose newest version is remembered. An outdated fact comes within seconds.
MAX_ROOM_VERSIONS = 10_000
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

Pool: TypeAlias = str | None
#: The order of agents: open rooms (0 in the order by last assignment), last assignment, username, id.
SortKey: TypeAlias = tuple[int, datetime, str, str]


class AgentCache:
    """The newest known version of every agent, and sorted indexes of those that accept rooms."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        #: The agents of each department (None: all) that accept rooms, by open rooms and by last assignment.
        self._by_load: dict[Pool, list[SortKey]] = defaultdict(list)
        self._by_last_assigned: dict[Pool, list[SortKey]] = defaultdict(list)
        #: For each agent, the number of rooms that running mutations assign to it.
        self._reservations: Counter[str] = Counter()
        #: The agents of each department (None: all) that accept rooms.
        self.accepting: dict[Pool, set[str]] = defaultdict(set)
        self.contention = Contention()
        #: The waiting rooms with an agent filter.
        self.filtered = FilteredRooms(self._users)
        self._waiting: dict[str, Pool] = {}
        #: The newest applied versions of rooms that have changed lately.
        self._room_versions: OrderedDict[str, int] = OrderedDict()
        self._waiting_in: Counter[Pool] = Counter()
        #: The ids of rooms and users that facts changed during `load`. None: no load is running.
        self._changed_during_load: set[str] | None = None

    @property
    def size(self) -> int:
        """The number of agents."""
        return len(self._users)

    async def load(self, reader: Reader) -> None:
        """Replace the content by what the database has. Facts applied during the load take precedence."""
        self._changed_during_load = set()
        cached_ids = set(self._users)
        agents = await users.list_agents(reader)
        for user_id in cached_ids - {user.id for user in agents} - self._changed_during_load:
            self._remove_user(user_id)
        for user in agents:
            self._apply_user(user)
        waiting: set[str] = set()
        async for batch in waiting_rooms.read_batches(reader):
            for room in batch:
                waiting.add(room.id)
                if room.id not in self._changed_during_load:
                    self._remove_waiting(room.id)
                    self._add_waiting(room)
        for room_id in self._waiting.keys() - waiting - self._changed_during_load:
            self._remove_waiting(room_id)
        self._changed_during_load = None
        for definition_id in self.filtered.definition_ids:
            if not await agent_filters.are_defined(reader, frozenset({definition_id})):
                self.filtered.remove_definition(definition_id)

    def apply(self, facts: Iterable[Fact]) -> None:
        """Update agents and rooms from facts. Idempotent: a fact older than the cached version is ignored."""
        for fact in facts:
            match fact:
                case RoomFact(room=snapshot):
                    self._apply_room(snapshot.room)
                    for user in (snapshot.served_by, snapshot.former):
                        if user is not None:
                            self._apply_user(user)
                case UserFact(user=user):
                    self._apply_user(user)
                case CustomFieldRemoved(definition=definition) if definition.target is FieldTarget.USER:
                    self._remove_field(definition.key)
                    self.filtered.remove_definition(definition.id)

    # ---------------------------------------------------------------- reads

    def agent(self, agent_id: str) -> User | None:
        """The cached version of the agent."""
        return self._users.get(agent_id)

    def tiers(
        self, pool: Pool, method: RoutingMethod, *, bots_first: bool, share: Share = ALL
    ) -> Sequence[Sequence[Candidate]]:
        """The candidates of a department (None: of all), ordered for `method`. Bots are the first tier if `bots_first`.

        A tier ends with the first agent without reservations, or with the first of `share` among those with equally
        many rooms: the policy never chooses a later one.
        """
        least_loaded = method is RoutingMethod.LEAST_LOADED
        sort_keys = (self._by_load if least_loaded else self._by_last_assigned)[pool]
        share = share if least_loaded else ALL
        agents = self._until_unreserved((self._users[key[-1]] for key in sort_keys), share)
        if not bots_first:
            return (agents,)
        users = (self._users[key[-1]] for key in sort_keys)
        return (self._until_unreserved((user for user in users if BOT_ROLE in user.roles), share), agents)

    def _until_unreserved(self, users: Iterable[User], share: Share) -> Sequence[Candidate]:
        candidates: list[Candidate] = []
        load: int | None = None  # of the first agent without reservations
        for user in users:
            candidate = Candidate.from_user(user)
            if load is not None and candidate.open_room_count > load:
                break
            candidates.append(candidate)
            if not self._reservations[user.id]:
                if share.contains(user.id):
                    break
                load = candidate.open_room_count if load is None else load
        return candidates

    @contextmanager
    def reserve(self, agent_id: str) -> Iterator[None]:
        """Count one room as reserved for the agent until the block ends."""
        self._reservations[agent_id] += 1
        try:
            yield
        finally:
            self._reservations[agent_id] -= 1
            if not self._reservations[agent_id]:
                del self._reservations[agent_id]

    def reservations(self, agent_id: str) -> int:
        """The number of rooms that running mutations of this process assign to the agent."""
        return self._reservations[agent_id]

    @property
    def reserved_agent_count(self) -> int:
        """The number of agents with reservations."""
        return len(self._reservations)

    def newest(self, user: User) -> User:
        """The newer of this and the cached version of the agent."""
        cached = self._users.get(user.id)
        return user if cached is None or cached.version <= user.version else cached

    def candidates(self, pool: Pool, filter: str, method: RoutingMethod, *, limit: int) -> list[str]:
        """The first agents, in the order of `method`, to whom routing may offer a waiting room with this filter."""
        matching = self.filtered.matches.agents_of(filter)
        first, second = sorted((self.accepting.get(pool, frozenset()), matching), key=len)
        found = (self._users[user_id] for user_id in first if user_id in second)
        ordered = nsmallest(limit, map(Candidate.from_user, found), key=lambda one: offer_key(one, method))
        return [candidate.id for candidate in ordered]

    def gone(self, until: datetime) -> list[tuple[str, datetime]]:
        """The ids of agents that serve rooms and have been OFFLINE since `until` or longer, bots excepted.

        Each has the time since when it is OFFLINE, by which they are ordered.
        """
        found = [
            (user.id, user.gone_since)
            for user in self._users.values()
            if user.gone_since is not None
            and user.gone_since <= until
            and user.agent is not None
            and user.agent.open_room_count > 0
            and BOT_ROLE not in user.roles
        ]
        return sorted(found, key=lambda one: one[1])

    def has_waiting_rooms(self, pools: Iterable[Pool]) -> bool:
        """Whether a room waits in one of these departments."""
        return any(self._waiting_in[pool] for pool in pools)

    def waiting_pools(self) -> Collection[Pool]:
        """The departments (None: no department) with waiting rooms."""
        return [pool for pool, count in self._waiting_in.items() if count]

    # ---------------------------------------------------------------- updates

    def _apply_user(self, user: User) -> None:
        if self._changed_during_load is not None:
            self._changed_during_load.add(user.id)
        cached = self._users.get(user.id)
        if cached is None and user.agent is None:
            return
        if cached is not None:
            if cached.version >= user.version:
                return
            self._unindex(cached)
        self._users[user.id] = user
        self.filtered.matches.update_agent(cached, user)
        self._index(user)

    def _remove_user(self, user_id: str) -> None:
        """Remove a user that is no longer an agent, where the log no longer has the fact about it."""
        self._unindex(self._users.pop(user_id))
        self.filtered.matches.remove_agent(user_id)

    def _index(self, user: User) -> None:
        self._update_sort_keys(user, insort)
        for pool in _pools_of(user):
            self.accepting[pool].add(user.id)

    def _unindex(self, user: User) -> None:
        self._update_sort_keys(user, _remove)
        for pool in _pools_of(user):
            self.accepting[pool].discard(user.id)

    def _update_sort_keys(self, user: User, put: Callable[[list[SortKey], SortKey], None]) -> None:
        agent = user.agent
        if agent is None:
            return
        assigned_at, name = agent.last_assigned_at or _NEVER, user.username.casefold()
        for pool in _pools_of(user):
            put(self._by_load[pool], (agent.open_room_count, assigned_at, name, user.id))
            put(self._by_last_assigned[pool], (0, assigned_at, name, user.id))

    def _remove_field(self, key: str) -> None:
        """Remove a custom field from every agent. The removal of a definition does not change agents' versions."""
        for user in self._users.values():
            if key in user.custom_fields:
                remaining = {name: value for name, value in user.custom_fields.items() if name != key}
                self._users[user.id] = msgspec.structs.replace(user, custom_fields=remaining)

    def _apply_room(self, room: Room) -> None:
        if self._room_versions.get(room.id, -1) > room.version:
            return  # an own change whose commit had no reply, after the facts of others about the room
        self._room_versions[room.id] = room.version
        self._room_versions.move_to_end(room.id)
        if len(self._room_versions) > MAX_ROOM_VERSIONS:
            self._room_versions.popitem(last=False)
        if self._changed_during_load is not None:
            self._changed_during_load.add(room.id)
        self._remove_waiting(room.id)
        if room.status is RoomStatus.QUEUED:
            self._add_waiting(WaitingRoom.from_room(room))

    def _remove_waiting(self, room_id: str) -> None:
        if room_id in self._waiting:
            self._waiting_in[self._waiting.pop(room_id)] -= 1
            self.filtered.remove(room_id)

    def _add_waiting(self, room: WaitingRoom) -> None:
        self._waiting[room.id] = room.department_id
        self._waiting_in[room.department_id] += 1
        if room.agent_filter_expression is not None:
            self.filtered.add(room)


def _pools_of(user: User) -> Sequence[Pool]:
    """The departments whose rooms routing may offer the agent. None: rooms without a department."""
    return (None, *user.agent.department_ids) if user.agent is not None and accepts_rooms(user) else ()


def _remove(sort_keys: list[SortKey], key: SortKey) -> None:
    del sort_keys[bisect_left(sort_keys, key)]
