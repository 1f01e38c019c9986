"""The agents and the waiting rooms as one process knows them, from what it commits itself and from the facts it hears.

It saves asking the database whom a room could go to. What is decided on it holds only if the database says the same:
the claim of an agent names the version that is known here, and loses when there is a newer one (assignment.py).
"""

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec

from storage import rooms, users
from storage.facts import CustomFieldRemoved, Fact, RoomFact, UserFact
from storage.filters.attributes import BOT_ROLE, accepts_rooms
from storage.mongo.reader import Reader
from storage.records import Candidate, FieldTarget, Room, RoomStatus, RoutingMethod, User

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

Pool: TypeAlias = str | None
#: What routing compares agents by, least first, and then the agent's id.
SortKey: TypeAlias = tuple[int, datetime, str, str]


class AgentCache:
    """Every agent with the version it has, in the order in which routing looks at those that it may offer a room."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        #: Those of each department (None: all) that routing may offer a room, least loaded first, and longest without
        #: a room first.
        self._by_load: dict[Pool, list[SortKey]] = defaultdict(list)
        self._by_turn: dict[Pool, list[SortKey]] = defaultdict(list)
        #: How many rooms are on their way to each agent, and not on it yet.
        self._reservations: Counter[str] = Counter()
        self._waiting: dict[str, Pool] = {}
        self._waiting_in: Counter[Pool] = Counter()
        #: Rooms and users that were heard of while the roster is loaded.
        self._heard_of: set[str] | None = None

    async def load(self, reader: Reader) -> None:
        """Take in what the database holds, and forget what it does not; what is heard meanwhile is newer."""
        self._heard_of = set()
        known_before = set(self._users)
        agents = await users.list_agents(reader)
        for user_id in known_before - {user.id for user in agents} - self._heard_of:
            self._forget(user_id)
        for user in agents:
            self._apply_user(user)
        waiting = {room.id: room.department_id for room in await rooms.list_waiting(reader, None)}
        for room_id in waiting.keys() | self._waiting.keys():
            if room_id not in self._heard_of:
                self._remove_waiting(room_id)
                if room_id in waiting:
                    self._add_waiting(room_id, waiting[room_id])
        self._heard_of = None

    def apply(self, facts: Iterable[Fact]) -> None:
        """Take in what became of agents and rooms, unless something newer is known. Hearing twice does no harm."""
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

    # ---------------------------------------------------------------- what routing asks

    def agent(self, agent_id: str) -> User | None:
        """The agent as it was when it was last heard of."""
        return self._users.get(agent_id)

    def tiers(self, pool: Pool, method: RoutingMethod, *, bots_first: bool) -> Sequence[Sequence[Candidate]]:
        """The agents of a department (None: of all) among whom routing finds the one to choose; bots before, if asked.

        They are looked at in routing's order up to the first to whom no room is on its way: whoever comes later is not
        chosen.
        """
        places = (self._by_load if method is RoutingMethod.LEAST_LOADED else self._by_turn)[pool]
        everybody = self._up_to_free(self._users[place[-1]] for place in places)
        if not bots_first:
            return (everybody,)
        users = (self._users[place[-1]] for place in places)
        return (self._up_to_free(user for user in users if BOT_ROLE in user.roles), everybody)

    def _up_to_free(self, users: Iterable[User]) -> Sequence[Candidate]:
        found = []
        for user in users:
            found.append(Candidate.from_user(user))
            if not self._reservations[user.id]:
                break
        return found

    @contextmanager
    def reserve(self, agent_id: str) -> Iterator[None]:
        """Until this is left, one more room is on its way to the agent."""
        self._reservations[agent_id] += 1
        try:
            yield
        finally:
            self._reservations[agent_id] -= 1
            if not self._reservations[agent_id]:
                del self._reservations[agent_id]

    def reservations(self, agent_id: str) -> int:
        """How many rooms changes of this process are bringing to the agent."""
        return self._reservations[agent_id]

    @property
    def reserved_agent_count(self) -> int:
        """How many agents that is so of."""
        return len(self._reservations)

    def newest(self, user: User) -> User:
        """The agent as it was read or, if that is newer, as it was heard of."""
        known = self._users.get(user.id)
        return user if known is None or known.version <= user.version else known

    def has_waiting_rooms(self, pools: Iterable[Pool]) -> bool:
        """Whether a room waits in one of these departments."""
        return any(self._waiting_in[pool] for pool in pools)

    # ---------------------------------------------------------------- what is known

    def _apply_user(self, user: User) -> None:
        if self._heard_of is not None:
            self._heard_of.add(user.id)
        known = self._users.get(user.id)
        if known is None and user.agent is None:
            return
        if known is not None:
            if known.version >= user.version:
                return
            self._update_index(known, _remove)
        self._users[user.id] = user
        self._update_index(user, insort)

    def _forget(self, user_id: str) -> None:
        """The user is no agent any more, or removed, and no fact that is still kept tells of it."""
        self._update_index(self._users.pop(user_id), _remove)

    def _update_index(self, user: User, put: Callable[[list[SortKey], SortKey], None]) -> None:
        agent = user.agent
        if agent is None or not accepts_rooms(user):
            return
        moment, name = agent.last_assigned_at or _NEVER, user.username.casefold()
        for pool in (None, *agent.department_ids):
            put(self._by_load[pool], (agent.open_room_count, moment, name, user.id))
            put(self._by_turn[pool], (0, moment, name, user.id))

    def _remove_field(self, key: str) -> None:
        """What is told of an agent shows its fields, and these go without a new version of the agent."""
        for user in self._users.values():
            if key in user.custom_fields:
                left = {name: value for name, value in user.custom_fields.items() if name != key}
                self._users[user.id] = msgspec.structs.replace(user, custom_fields=left)

    def _apply_room(self, room: Room) -> None:
        # A fact that comes late may say what is past; the newer ones about the room come right after it.
        if self._heard_of is not None:
            self._heard_of.add(room.id)
        self._remove_waiting(room.id)
        if room.status is RoomStatus.QUEUED:
            self._add_waiting(room.id, room.department_id)

    def _remove_waiting(self, room_id: str) -> None:
        if room_id in self._waiting:
            self._waiting_in[self._waiting.pop(room_id)] -= 1

    def _add_waiting(self, room_id: str, pool: Pool) -> None:
        self._waiting[room_id] = pool
        self._waiting_in[pool] += 1


def _remove(places: list[SortKey], place: SortKey) -> None:
    del places[bisect_left(places, place)]
