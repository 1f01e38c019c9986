"""A cache of parsed documents and everything derived from them, within one byte budget."""

import threading
from collections import OrderedDict

from graphql import GraphQLSchema

from schema.execution.cost_limits import Limits
from schema.execution.documents import Document
from schema.execution.memory_usage import Usage

#: Byte budget of the cached documents of a process. The least recently used are evicted.
BUDGET_BYTES = 64 * 1024 * 1024
#: A document that takes more than the budget divided by this is not cached.
MAX_SHARE_DIVISOR = 4


class DocumentCache:
    """Documents by their text.

    The caches of Strawberry use the syntax tree as the key. To hash a syntax tree takes a pass over all of it.
    """

    def __init__(self, budget: int = BUDGET_BYTES) -> None:
        self._budget = budget
        self._documents: OrderedDict[str, Document] = OrderedDict()
        #: Bytes of all documents in the cache.
        self.bytes = 0
        # Introspection runs on a thread, and adds to the usage there.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._documents)

    def get(self, text: str, schema: GraphQLSchema, limits: Limits) -> Document:
        """The document of a text. Raises QueryTooComplex, and the errors of the parser."""
        with self._lock:
            cached = self._documents.get(text)
            if cached is not None and cached.limits is limits:
                self._documents.move_to_end(text)
                return cached
        document = Document(text, schema, limits, Usage(text, self._charge))
        with self._lock:
            self._remove(text)
            document.usage.cached = True
            self._documents[text] = document
            self.bytes += document.usage.bytes
            self._evict(document.usage)
        return document

    def _charge(self, usage: Usage, size: int) -> None:
        with self._lock:
            usage.bytes += size
            if usage.cached:
                self.bytes += size
                self._evict(usage)

    def _evict(self, grown: Usage) -> None:
        if grown.bytes > self._budget // MAX_SHARE_DIVISOR:
            self._remove(grown.text)
        while self.bytes > self._budget:
            self._remove(next(iter(self._documents)))

    def _remove(self, text: str) -> None:
        """Remove a document. Operations that use it keep their references to it."""
        removed = self._documents.pop(text, None)
        if removed is not None:
            removed.usage.cached = False
            self.bytes -= removed.usage.bytes


#: The documents of this process.
CACHE = DocumentCache()
