"""Sizes in bytes: limits of stored entities, and estimates for entities and facts in memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import bson
import msgspec

from storage.errors import Invalid

T = TypeVar("T", bound=msgspec.Struct)

#: The largest entity with all its fields, as BSON without the indexed copy of its custom fields. A fact has up to six
#: entities, and MongoDB accepts documents of up to 16 MiB.
ENTITY_BYTES = 256 * 1024
#: The largest entity with the indexed copy, which has the roles, status and departments of the entity with every value.
INDEXED_BYTES = 1024 * 1024


#: Fields of documents that are computed from other fields.
_DERIVED = frozenset({"attrs", "leave"})


def require_storable(
    noun: str,
    document: Mapping[str, object],
    *,
    whole: int | None = None,
    before: Callable[[], Mapping[str, object]] | None = None,
) -> None:
    """Raise Invalid if the document of an entity is too large, and larger than the one `before` returns.

    `whole`: its size as BSON, if it is known.
    """
    whole = len(bson.encode(document)) if whole is None else whole
    if whole <= ENTITY_BYTES:
        return
    total = _without_derived(document)
    if total > ENTITY_BYTES and (before is None or total > _without_derived(before())):
        raise Invalid(
            f"The {noun} with all its fields would take {total:,} bytes as stored; at most {ENTITY_BYTES:,} are "
            "allowed. Store less text in its custom fields.",
            key="customFields",
        )
    if whole > INDEXED_BYTES and (before is None or whole > len(bson.encode(before()))):
        raise Invalid(
            f"The {noun} with the index of its custom fields would take {whole:,} bytes as stored; at most "
            f"{INDEXED_BYTES:,} are allowed. Set fewer options, or give it fewer roles or departments.",
            key="customFields",
        )


def _without_derived(document: Mapping[str, object]) -> int:
    return len(bson.encode({name: value for name, value in document.items() if name not in _DERIVED}))


def size_of(record: msgspec.Struct) -> int:
    """The size of a record as JSON, an estimate of its size in memory. Takes 5 microseconds for an ordinary fact."""
    return len(msgspec.json.encode(record))


def size_of_document(document: Mapping[str, object]) -> int:
    """The size of a document as BSON."""
    return len(bson.encode(document))


def batches(
    records: Sequence[T], *, count: int, size: int, weigh: Callable[[T], int] = size_of
) -> Iterator[Sequence[T]]:
    """Split the records into batches of at most `count` records and `size` bytes, or of one larger record."""
    start, total = 0, 0
    for index, record in enumerate(records):
        weight = weigh(record)
        if index > start and (index - start >= count or total + weight > size):
            yield records[start:index]
            start, total = index, 0
        total += weight
    if start < len(records):
        yield records[start:]
