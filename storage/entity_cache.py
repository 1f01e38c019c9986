"""Decoded entities by the bytes in which they are stored, with what was made of them, in the memory of one process.

Every read still gets the current bytes from the database. Only their decoding is saved: equal bytes are the same entity
as long as the definitions of custom fields are the same. Callers share the entities, which are immutable.
"""

from collections import OrderedDict
from typing import Any, Generic, NamedTuple, TypeVar

E = TypeVar("E")

#: Bytes of all cached documents as stored, and of their renderings. A decoded entity takes about five times as much as
#: its document. The least recently used are evicted.
BUDGET_BYTES = 8 * 1024 * 1024
#: The most values that are kept of one document. Clients choose the order of a list.
MAX_DERIVED = 8
#: The most renderings that are kept of one entity. The oldest is replaced.
MAX_RENDERED = 8


class Rendering(NamedTuple):
    """An encoded selection of an entity."""

    #: The revision of the reference data, which it may contain.
    revision: int
    encoded: Any
    size: int


class CachedEntity(Generic[E]):
    """An entity, and what was computed from its document."""

    __slots__ = ("cache", "derived", "entity", "rendered", "revision", "size")

    def __init__(self, entity: E, revision: int) -> None:
        self.entity = entity
        #: The revision of the definition cache with which the entity was decoded.
        self.revision = revision
        #: Values of the document that lookups and lists ask for: by a path, or by the name of a sort order.
        self.derived: dict[str, Any] = {}
        #: Encoded selections of the entity, by the selection.
        self.rendered: dict[int, Rendering] = {}
        #: The cache that has the entity, and how much it counts.
        self.cache: EntityCache | None = None
        self.size = 0

    def add(self, name: str, value: Any) -> None:
        """Keep a value that was computed from the document."""
        if len(self.derived) >= MAX_DERIVED:
            self.derived.clear()
        self.derived[name] = value

    def render(self, selection: int, rendering: Rendering) -> None:
        """Keep a rendering, if the entity is cached."""
        cache = self.cache
        if cache is None:
            return
        replaced = self.rendered.pop(selection, None)
        grown = rendering.size - (0 if replaced is None else replaced.size)
        if len(self.rendered) >= MAX_RENDERED:
            grown -= self.rendered.pop(next(iter(self.rendered))).size
        self.rendered[selection] = rendering
        self.size += grown
        cache.grow(grown)


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
        for cached in self._entities.values():
            cached.cache = None
        self._entities.clear()
        self.bytes = 0

    def put(self, collection: str, stored: bytes, cached: CachedEntity[Any]) -> None:
        """Cache an entity."""
        key = (collection, stored)
        replaced = self._entities.pop(key, None)
        if replaced is not None:
            self._removed(replaced)
        cached.cache, cached.size = self, len(stored)
        self._entities[key] = cached
        self.grow(cached.size)

    def grow(self, size: int) -> None:
        """Count further bytes, and evict entities while they are too many."""
        self.bytes += size
        while self.bytes > self._budget:
            self._removed(self._entities.popitem(last=False)[1])

    def _removed(self, cached: CachedEntity[Any]) -> None:
        cached.cache = None
        self.bytes -= cached.size
