"""The newest versions of entities that this process wrote or read lately, in its memory.

The first attempt at a mutation may use them in place of a read (`Transaction.recent`). It is committed only if these
versions are still the stored ones.
"""

from collections import OrderedDict
from typing import Any, NamedTuple

from storage.sizes import size_of

#: Bytes of all entities as JSON or BSON. The least recently used are evicted.
BUDGET_BYTES = 8 * 1024 * 1024


class _Entry(NamedTuple):
    entity: Any
    version: int
    #: The revision of the definition cache by which its custom fields were decoded.
    revision: int
    size: int


class RecentEntities:
    """Entities by kind and key. Callers share them; they are immutable."""

    def __init__(self, budget: int = BUDGET_BYTES) -> None:
        self._budget = budget
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        #: The size of all entities.
        self.bytes = 0
        #: How often everything was removed.
        self.clears = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, kind: str, key: str, revision: int) -> Any | None:
        """The entity, if its custom fields were decoded at this revision of the definitions."""
        entry = self._entries.get((kind, key))
        if entry is None or entry.revision != revision:
            return None
        self._entries.move_to_end((kind, key))
        return entry.entity

    def put(self, kind: str, key: str, entity: Any, *, version: int, revision: int, size: int | None = None) -> None:
        """Keep the entity, unless a newer version is here. `size`: about its bytes, if they are known."""
        place = (kind, key)
        before = self._entries.get(place)
        if before is not None:
            if before.version > version:
                return
            self._remove(place)
        entry = _Entry(entity, version, revision, size_of(entity) if size is None else size)
        self._entries[place] = entry
        self.bytes += entry.size
        while self.bytes > self._budget:
            self._remove(next(iter(self._entries)))

    def drop_older(self, kind: str, key: str, version: int) -> None:
        """Remove the entity if this version is newer."""
        entry = self._entries.get((kind, key))
        if entry is not None and entry.version < version:
            self._remove((kind, key))

    def clear(self) -> None:
        """Remove all entities, because a visitor was erased. What was read or written before must not be put."""
        self.clears += 1
        self._entries.clear()
        self.bytes = 0

    def _remove(self, place: tuple[str, str]) -> None:
        self.bytes -= self._entries.pop(place).size
