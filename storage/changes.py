"""The changes of an entity by the names of the API's fields, as facts record them. No input and no output.

A fact has the entity after the change, so that a change records only the value before it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import Any

from storage.records import Record

#: The field that stands for every custom field in the names given to `changes_between`.
CUSTOM_FIELDS = "customFields"
_NOTHING: Mapping[str, object] = MappingProxyType({})


class Change(Record, frozen=True):
    """A field of the API, such as "priority", "customFields.KEY" or "agent.maxRooms", that changed."""

    field: str
    #: The previous value, as it is stored. None: the field had none.
    before: Any = None


def changes_between(before: Record, after: Record, fields: Iterable[str]) -> tuple[Change, ...]:
    """The changes among these fields, in their order. Custom fields are in the order of their keys."""
    return tuple(
        Change(name, value_of(before, name))
        for field in fields
        for name in _names(field, (before, after))
        if value_of(before, name) != value_of(after, name)
    )


def value_of(record: Record, field: str) -> Any:
    """The value of a field of the API. None if the record has none.

    Enum values are returned by name and tuples as lists, as they are when they are read from the database.
    """
    value: Any = record
    for name in field.split("."):
        if value is None:
            return None
        value = value.get(name) if isinstance(value, Mapping) else _attribute(value, name)
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def _names(field: str, records: Sequence[Record]) -> Iterator[str]:
    if field != CUSTOM_FIELDS:
        yield field
        return
    keys = {key for record in records for key in getattr(record, "custom_fields", _NOTHING)}
    yield from (f"{CUSTOM_FIELDS}.{key}" for key in sorted(keys))


def _attribute(record: Record, name: str) -> Any:
    """The attribute of a record with this name in the API."""
    return getattr(record, _attribute_names(type(record))[name])


@cache
def _attribute_names(kind: type[Record]) -> Mapping[str, str]:
    """The names of the attributes of a type of record, by their names in the API."""
    return dict(zip(kind.__struct_encode_fields__, kind.__struct_fields__, strict=True))
