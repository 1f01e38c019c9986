"""Records that this process cannot decode: a newer version wrote them, as in a rolling upgrade, or they are damaged.

Background tasks skip them, and an operation that reads one fails. Each is logged once and counted. /health/ready shows
the counts.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: The errors of decoding a document that another version wrote.
ERRORS = (msgspec.ValidationError, KeyError)
#: The limit of stored ids for each collection. Further records are skipped, but neither logged nor counted.
MAX_IDS = 1_000


class Undecodable:
    """The undecodable records that one process has read."""

    def __init__(self) -> None:
        self._ids: dict[str, set[str]] = {}

    @property
    def counts(self) -> Mapping[str, int]:
        """By collection: the number of undecodable records since the process started."""
        return {collection: len(ids) for collection, ids in self._ids.items()}

    def report(self, collection: str, record_id: str, error: Exception) -> None:
        """Log that a record cannot be decoded, once, and count it."""
        ids = self._ids.setdefault(collection, set())
        if record_id in ids or len(ids) >= MAX_IDS:
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
        """Decode the documents. Reports and leaves out those that cannot be decoded."""
        decoded = []
        for document in documents:
            record_id = str(document["_id"])
            try:
                decoded.append(decode(document))
            except ERRORS as error:
                self.report(collection, record_id, error)
        return decoded
