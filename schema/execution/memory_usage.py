"""The memory that a document takes, with everything derived from it."""

import sys
from collections.abc import Callable
from typing import TypeAlias

Charge: TypeAlias = Callable[["Usage", int], None]

#: Upper bounds, measured with tracemalloc by tests/schema/execution/test_document_cache.py.
DOCUMENT_BYTES = 16_000
TOKEN_BYTES = 700
#: The text is stored as the key, in names and values, and in error messages.
TEXT_COPIES = 3
SELECTION_BYTES = 3_000
FIELD_BYTES = 2_500
#: For each cached value: page sizes, variables of directives, scopes.
VALUE_BYTES = 200
#: For each byte of JSON, as Python objects.
JSON_BYTES = 4


class Usage:
    """The bytes of one document.

    It refers neither to the document nor to the cache. Objects of the document can refer to it without a reference
    cycle, so that their memory is freed when the last operation on the document ends.
    """

    __slots__ = ("_charge", "bytes", "cached", "text")

    def __init__(self, text: str, charge: Charge | None = None) -> None:
        self.text = text
        #: Whether the document is in the cache, which then counts its bytes.
        self.cached = False
        self.bytes = DOCUMENT_BYTES + TEXT_COPIES * sys.getsizeof(text)
        self._charge = charge

    def add(self, size: int) -> None:
        """Count bytes that were added to the document. The cache may evict this document, or others."""
        if self._charge is None:
            self.bytes += size
        else:
            self._charge(self, size)
