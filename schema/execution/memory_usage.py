"""How many bytes a document takes, with everything made from it."""

import sys
from collections.abc import Callable
from typing import TypeAlias

Charge: TypeAlias = Callable[["Usage", int], None]

#: Upper bounds of what was measured with tracemalloc; tests/schema/execution/test_document_cache.py measures again.
DOCUMENT_BYTES = 16_000
TOKEN_BYTES = 700
#: The text is kept three times: as the key, in names and values, and in messages about it.
TEXT_COPIES = 3
PLAN_BYTES = 3_000
STEP_BYTES = 2_500
#: Of values that are remembered: page sizes, switches, scopes.
VALUE_BYTES = 200
#: Of each byte of JSON, as objects of Python.
JSON_BYTES = 4


class Usage:
    """The bytes of one document.

    It knows neither the document nor its cache, so that what a document is made of can refer to it without a cycle of
    references: memory is then free as soon as the last operation on the document ends.
    """

    __slots__ = ("_charge", "bytes", "cached", "text")

    def __init__(self, text: str, charge: Charge | None = None) -> None:
        self.text = text
        #: Whether the cache holds the document, and counts its bytes.
        self.cached = False
        self.bytes = DOCUMENT_BYTES + TEXT_COPIES * sys.getsizeof(text)
        self._charge = charge

    def add(self, size: int) -> None:
        """Count what was made from the document. The cache may evict the document, or others."""
        if self._charge is None:
            self.bytes += size
        else:
            self._charge(self, size)
