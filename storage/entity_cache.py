"""Decoded entities by the bytes in which they are stored, in the memory of one process.

Every read still gets the current bytes from the database. Only their decoding is saved: equal bytes are the same entity
as long as the definitions of custom fields are the same. Callers share the entities, which are immutable.
"""

from collections import OrderedDict
from typing import Any, Generic, TypeVar

E = TypeVar("E")

#: Bytes of all cached documents as stored. A decoded entity takes about five times as much. The least recently used are
#: evicted.
BUDGET_BYTES = 8 * 1024 * 1024
#: The most values that are kept of one document. Clients choose the order of a list.
MAX_DERIVED = 8


class CachedEntity(Generic[E]):
    """An entity, and what was computed from its document."""

    __slots__ = ("derived", "entity", "revision")

    def __init__(self, entity: E, revision: int) -> None:
        self.entity = entity
        #: The revision of the definition cache with which the entity was decoded.
        self.revision = revision
        #: Values of the document that lookups and lists ask for: by a path, or by the name of a sort order.
        self.derived: dict[str, Any] = {}

    def add(self, name: str, value: Any) -> None:
        """Keep a value that was computed from the document."""
        if len(self.derived) >= MAX_DERIVED:
            self.derived.clear()
        self.derived[name] = value


class EntityCache:
    """The cached entities of one process by collection and stored bytes."""

    def __init__(self, budget: int = BUDGET_BYTES) -> None:
        self._budget = budget
        self._entities: OrderedDict[tuple[str, bytes], CachedEntity[Any]] = OrderedDict()
        #: The size of all cached documents.
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entities)

    def get(self, collection: str, stored: bytes, revision: int) -> CachedEntity[Any] | None:
        """The entity that was decoded from these bytes at this revision of the definitions."""
        key = (collection, stored)
        cached = self._entities.get(key)
        if cached is None or cached.revision != revision:
            return None
        self._entities.move_to_end(key)
        return cached

    def clear(self) -> None:
        """Forget all entities, because a visitor was erased."""
        self._entities.clear()
        self.bytes = 0

    def put(self, collection: str, stored: bytes, cached: CachedEntity[Any]) -> None:
        """Cache an entity."""
        key = (collection, stored)
        if key not in self._entities:
            self.bytes += len(stored)
        self._entities[key] = cached
        self._entities.move_to_end(key)
        while self.bytes > self._budget:
            (_, evicted), _ = self._entities.popitem(last=False)
            self.bytes -= len(evicted)
