"""Records that this process cannot decode: written by a newer version, as during a rolling upgrade, or damaged.

Background work steps around them; an operation that asks for one fails. Each is logged once and counted, and
/health/ready shows the counts.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: What decoding a document raises that was written by another version.
ERRORS = (msgspec.ValidationError, KeyError)
#: Ids remembered of each collection. Beyond it, records are still stepped around, and neither logged nor counted.
REMEMBERED = 1_000


class Undecodable:
    """The records that one process could not decode."""

    def __init__(self) -> None:
        self._ids: dict[str, set[str]] = {}

    @property
    def counts(self) -> Mapping[str, int]:
        """How many records of each collection could not be decoded since the process started."""
        return {collection: len(ids) for collection, ids in self._ids.items()}

    def note(self, collection: str, record_id: str, error: Exception) -> None:
        """Log that a record cannot be decoded, once, and count it."""
        ids = self._ids.setdefault(collection, set())
        if record_id in ids or len(ids) >= REMEMBERED:
            return
        ids.add(record_id)
        logger.error(
            "The record %s in %s cannot be decoded by this version and is left out: %s. Upgrade this server.",
            record_id,
            collection,
            error,
        )

    def decode(
        self, collection: str, documents: Iterable[dict[str, object]], decode: Callable[[dict[str, object]], T]
    ) -> list[T]:
        """What can be decoded of the documents; the rest is noted."""
        decoded = []
        for document in documents:
            record_id = str(document["_id"])
            try:
                decoded.append(decode(document))
            except ERRORS as error:
                self.note(collection, record_id, error)
        return decoded
