"""Which agents match the agent filters of waiting rooms, in memory.

A change of an agent can change what it matches, so each different filter is evaluated again. Clients decide how many
filters there are and how much each costs. Evaluation therefore never takes the process for long: a change evaluates
what fits into an allowance, and `evaluate_some` the rest, with other tasks in between. Until then, the results are
those from before the change.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import msgspec

from storage import agent_filters
from storage.filters.predicates import predicate
from storage.records import FieldTarget, User

#: The bytes of filters for one unit of cost. The evaluation of a condition takes about a microsecond.
BYTES_PER_UNIT = 64
#: The cost that changes may cause at once, in each interval of this length.
ALLOWANCE = 5_000
ALLOWANCE_SECONDS = 0.1
#: The cost of one step of `evaluate_some`, the number of its steps, and for how many times its own length each is
#: followed by a pause for other tasks.
STEP = 500
STEPS = 10
PAUSE = 3
#: The bytes of filters that are kept compiled. A compiled filter takes about ten times as many bytes as its text.
MAX_COMPILED_BYTES = 4 * 1024 * 1024
#: How many times as much the first evaluation of a filter costs, which compiles it.
COMPILING = 10

replace = msgspec.structs.replace


@dataclass(slots=True, eq=False)
class _Filter:
    text: str
    definition_ids: frozenset[str]
    #: All agents that match, whether they accept rooms or not.
    agent_ids: set[str] = field(default_factory=set)

    @property
    def cost(self) -> int:
        return 1 + len(self.text) // BYTES_PER_UNIT


class FilterMatches:
    """The agents that match each filter. `agents` has all agents, as they are now."""

    def __init__(self, agents: Mapping[str, User]) -> None:
        self._agents = agents
        self._filters: dict[str, _Filter] = {}
        #: The inverse: the texts of the filters that each agent matches.
        self._texts: dict[str, set[str]] = {}
        #: Filters to evaluate for all agents, and agents to evaluate for all filters, in order.
        self._new: dict[str, None] = {}
        self._changed: dict[str, None] = {}
        #: The pairs that are evaluated now.
        self._pairs: Iterator[tuple[_Filter, str]] | None = None
        self._new_was_last = False
        self._allowance, self._allowed_at = ALLOWANCE, monotonic()
        self._compiled: OrderedDict[str, Callable[[Any], bool]] = OrderedDict()
        self._compiled_bytes = 0

    # ---------------------------------------------------------------- updates

    def add(self, text: str) -> str:
        """Add a filter if it is not here. Returns its text, the same object for equal filters."""
        found = self._filters.get(text)
        if found is None:
            found = self._filters[text] = _Filter(text, agent_filters.definition_ids(text))
            self._new[text] = None
            self._evaluate_allowed()
        return found.text

    def remove(self, text: str) -> None:
        removed = self._filters.pop(text)
        self._new.pop(text, None)
        self._forget_compiled(text)
        for agent_id in removed.agent_ids:
            self._unmatch(agent_id, text)

    def update_agent(self, before: User | None, user: User) -> None:
        """Evaluate the filters for an agent that changed. It is in the mapping of agents already."""
        if self._filters and (before is None or _filterable(before) != _filterable(user)):
            self._changed[user.id] = None
            self._evaluate_allowed()

    def remove_agent(self, user_id: str) -> None:
        """Remove an agent that is not in the mapping of agents any more."""
        self._changed.pop(user_id, None)
        for text in self._texts.pop(user_id, ()):
            self._filters[text].agent_ids.discard(user_id)

    # ---------------------------------------------------------------- reads

    def agents_of(self, text: str) -> Set[str]:
        """The agents that match a filter. Empty for filters that are not here."""
        found = self._filters.get(text)
        return found.agent_ids if found is not None else frozenset()

    def filters_of(self, agent_id: str) -> Collection[str]:
        """The filters that an agent matches."""
        return self._texts.get(agent_id, ())

    def definition_ids(self, text: str) -> frozenset[str]:
        """The ids of the definitions of the custom fields that a filter names."""
        return self._filters[text].definition_ids

    # ---------------------------------------------------------------- evaluation

    @property
    def is_outdated(self) -> bool:
        """Whether filters are still to be evaluated."""
        return self._pairs is not None or bool(self._new) or bool(self._changed)

    async def evaluate_some(self) -> None:
        """Evaluate filters that are still to be evaluated, in a quarter of the time. Other tasks have the rest."""
        for _ in range(STEPS):
            if not self.is_outdated:
                return
            started = monotonic()
            self._evaluate(STEP)
            await asyncio.sleep(PAUSE * (monotonic() - started))

    def _evaluate_allowed(self) -> None:
        now = monotonic()
        if now - self._allowed_at >= ALLOWANCE_SECONDS:
            self._allowance, self._allowed_at = ALLOWANCE, now
        self._allowance = self._evaluate(self._allowance)

    def _evaluate(self, allowance: int) -> int:
        """Evaluate filters up to this cost. Returns what is left of it."""
        while allowance > 0 and self.is_outdated:
            if self._pairs is None:
                self._pairs = self._next_pairs()
            pair = next(self._pairs, None)
            if pair is None:
                self._pairs = None
            else:
                allowance -= self._evaluate_pair(*pair)
        return allowance

    def _next_pairs(self) -> Iterator[tuple[_Filter, str]]:
        """A new filter with all agents, or all filters with the agents that changed, in turns."""
        self._new_was_last = bool(self._new) and not (self._new_was_last and self._changed)
        if self._new_was_last:
            text = next(iter(self._new))
            del self._new[text]
            found = self._filters[text]
            return ((found, agent_id) for agent_id in tuple(self._agents))
        changed = tuple(self._changed)
        self._changed.clear()
        filters = sorted(self._filters.values(), key=lambda found: len(found.text))  # first those that cost little
        return ((found, agent_id) for found in filters for agent_id in changed)

    def _evaluate_pair(self, found: _Filter, agent_id: str) -> int:
        """Evaluate one filter for one agent, as both are now. Returns the cost."""
        if self._filters.get(found.text) is not found:
            return 1
        user = self._agents.get(agent_id)
        cost = found.cost if found.text in self._compiled else COMPILING * found.cost
        if user is not None and user.agent is not None and self._compile(found.text)(user):
            found.agent_ids.add(agent_id)
            self._texts.setdefault(agent_id, set()).add(found.text)
        else:
            found.agent_ids.discard(agent_id)
            self._unmatch(agent_id, found.text)
        return cost

    def _unmatch(self, agent_id: str, text: str) -> None:
        texts = self._texts.get(agent_id)
        if texts is not None:
            texts.discard(text)
            if not texts:
                del self._texts[agent_id]

    def _compile(self, text: str) -> Callable[[Any], bool]:
        compiled = self._compiled.get(text)
        if compiled is not None:
            self._compiled.move_to_end(text)
            return compiled
        compiled = self._compiled[text] = predicate(agent_filters.decode(text).expression, FieldTarget.USER)
        self._compiled_bytes += len(text)
        while self._compiled_bytes > MAX_COMPILED_BYTES:
            self._forget_compiled(next(iter(self._compiled)))
        return compiled

    def _forget_compiled(self, text: str) -> None:
        if self._compiled.pop(text, None) is not None:
            self._compiled_bytes -= len(text)


def _filterable(user: User) -> User:
    """The user without the values that no filter reads and that change often."""
    agent = user.agent and replace(user.agent, open_room_count=0, last_assigned_at=None)
    return replace(user, version=0, fact_count=0, updated_at=user.created_at, agent=agent, leave=None)
