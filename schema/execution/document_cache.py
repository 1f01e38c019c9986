"""The documents used last, with everything that is made from them, within one budget in bytes."""

import threading
from collections import OrderedDict

from graphql import GraphQLSchema

from schema.execution.cost_limits import Limits
from schema.execution.documents import Document
from schema.execution.memory_usage import Usage

#: What all cached documents of a process take together. The least recently used are evicted.
BUDGET_BYTES = 64 * 1024 * 1024
#: A document that takes more than this part of the budget is not cached.
LARGEST_PART = 4


class DocumentCache:
    """Documents by their text.

    Not by the syntax tree, as Strawberry's caches have it: to hash one walks all of it.
    """

    def __init__(self, budget: int = BUDGET_BYTES) -> None:
        self._budget = budget
        self._documents: OrderedDict[str, Document] = OrderedDict()
        #: Bytes of all documents in the cache.
        self.bytes = 0
        # What is asked about the schema is compiled, and charged, on a thread of its own.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._documents)

    def get(self, text: str, schema: GraphQLSchema, limits: Limits) -> Document:
        """The document. Raises QueryTooComplex, and what the parser raises."""
        with self._lock:
            known = self._documents.get(text)
            if known is not None and known.limits is limits:
                self._documents.move_to_end(text)
                return known
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
        if grown.bytes > self._budget // LARGEST_PART:
            self._remove(grown.text)
        while self.bytes > self._budget:
            self._remove(next(iter(self._documents)))

    def _remove(self, text: str) -> None:
        """Forget a document. Operations that are under way go on with it; their references are the last to it."""
        removed = self._documents.pop(text, None)
        if removed is not None:
            removed.usage.cached = False
            self.bytes -= removed.usage.bytes
