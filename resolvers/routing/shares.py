"""Shares of agents, so that processes that route at the same time do not choose the same agents.

Two processes that choose one agent at the same time conflict: one of them commits, and the other tries again. While
that happens, each process prefers its own share among agents with equally many rooms. A process that meets no conflict
keeps the exact order of the routing method.
"""

import time
from dataclasses import dataclass
from zlib import crc32

#: How long a process prefers its share after a conflict.
CONTENDED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Share:
    """The agents of process `place` of `count`."""

    place: int = 0
    count: int = 1

    def contains(self, agent_id: str) -> bool:
        return self.count == 1 or crc32(agent_id.encode()) % self.count == self.place


ALL = Share()


class Contention:
    """Whether other processes have lately chosen the agents that this process chose."""

    def __init__(self) -> None:
        self._until = 0.0

    def note_conflict(self) -> None:
        """Prefer the share of this process for a while, because an agent changed after a mutation had chosen it."""
        self._until = time.monotonic() + CONTENDED_SECONDS

    def share(self, place: int, count: int) -> Share:
        """The share of the process with this place among all, or all agents if there was no conflict lately."""
        return Share(place, count) if time.monotonic() < self._until else ALL
