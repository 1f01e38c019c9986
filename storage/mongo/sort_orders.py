"""How a list is sorted: as a MongoDB sort, as the query for what lies beyond a cursor, and as a key in memory.

Entries without a value of what a list is sorted by come last in either direction. MongoDB sorts them first when
ascending, so a list has two sections, each of which one index gives in its order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import total_ordering
from types import MappingProxyType
from typing import Any

from pymongo import ASCENDING, DESCENDING

from storage.errors import Invalid, InvalidCursor, quoted
from storage.mongo.connection import Document
from storage.mongo.cursors import page_cursor, page_values
from storage.records import FieldDefinition, FieldType

#: The most entries of a list that is sorted because no index gives its order.
SORT_LIMIT = 10_000
#: What the paths of custom fields begin with.
_FIELDS = "fields."


@dataclass(frozen=True, slots=True)
class SortKey:
    """One path that a list is sorted by."""

    path: str
    #: What documents hold at the path.
    kinds: tuple[type, ...] = (str,)
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a list: what its entries have in common, and the paths that it is sorted by."""

    query: Mapping[str, Any]
    keys: tuple[SortKey, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list: the section, the values of its keys, and the id of the entry there."""

    section: int
    values: tuple[Any, ...]
    id: str


@dataclass(frozen=True, slots=True)
class SortOrder:
    """One way to sort one list: by its keys, then by id."""

    #: Of the list and the way, as cursors name them: a cursor is good for no other.
    name: str
    keys: tuple[SortKey, ...] = ()
    #: The direction of ids.
    descending: bool = False
    #: No two documents have the same values, so that ids have nothing to decide.
    unique: bool = False
    #: What the documents with values match, and what all others match; None: all documents have values.
    present: Mapping[str, Any] | None = None
    absent: Mapping[str, Any] | None = None
    #: From a record: the values of the keys, or None when it has none. For lists that are kept in memory.
    read: Callable[[Any], tuple[Any, ...] | None] = lambda _: ()
    #: An index gives the order. Otherwise the list is sorted, and may have SORT_LIMIT entries.
    indexed: bool = True

    def reversed(self) -> "SortOrder":
        """The opposite direction. Entries without values still come last."""
        keys = tuple(replace(key, descending=not key.descending) for key in self.keys)
        return replace(self, name=f"-{self.name}", keys=keys, descending=not self.descending)

    @property
    def field_ids(self) -> list[str]:
        """The ids of the custom fields among the keys."""
        return [key.path.removeprefix(_FIELDS) for key in self.keys if key.path.startswith(_FIELDS)]

    @property
    def sections(self) -> tuple[Section, ...]:
        if self.present is None or self.absent is None:
            return (Section({}, self.keys),)
        return (Section(self.present, self.keys), Section(self.absent, ()))

    def sort(self, section: int = 0, *, backwards: bool = False) -> list[tuple[str, int]]:
        """The MongoDB sort of a section."""
        keys = self.sections[section].keys
        found = [(key.path, _direction(key.descending is not backwards)) for key in keys]
        return found if self.unique and keys else [*found, ("_id", _direction(self.descending is not backwards))]

    def query_beyond(self, at: Position, *, backwards: bool = False, inclusive: bool = False) -> Document:
        """The query for what comes after the position in its section, or before it, or also for what is there."""
        parts = list(zip(self.sections[at.section].keys, at.values, strict=False))
        if parts and self.unique:
            paths = [(key.path, value, key.descending) for key, value in parts]
        else:
            paths = [
                *((key.path, value, key.descending) for key, value in parts),
                ("_id", at.id, self.descending),
            ]
        choices: list[Document] = []
        for number, (path, value, descending) in enumerate(paths):
            beyond = "$lt" if descending is not backwards else "$gt"
            if inclusive and number == len(paths) - 1:
                beyond += "e"
            choices.append({**{before: held for before, held, _ in paths[:number]}, path: {beyond: value}})
        return choices[0] if len(choices) == 1 else {"$or": choices}

    def position(self, document: Mapping[str, Any]) -> Position:
        """Where a document of the list is."""
        values = tuple(_at(document, key.path) for key in self.keys)
        if self.present is None or self._has_values(document):
            return Position(0, values, document["_id"])
        return Position(1, (), document["_id"])

    def is_at(self, document: Mapping[str, Any], at: Position) -> bool:
        """Whether a document of the list is at the position, by its values alone if no two have the same."""
        own = self.position(document)
        return own == at or (self.unique and own.section == at.section == 0 and own.values == at.values)

    def _has_values(self, document: Mapping[str, Any]) -> bool:
        status = (self.present or {}).get("status")
        return document["status"] == status if status is not None else _at(document, self.keys[0].path) is not None

    def cursor(self, document: Mapping[str, Any]) -> str:
        return self.cursor_at(self.position(document))

    def cursor_at(self, at: Position) -> str:
        values = at.values if at.section == 0 else (None,) * len(self.keys)
        return page_cursor(self.name, [*map(_plain, values), at.id])

    def position_of(self, cursor: str, *, key: str = "after") -> Position:
        """The position that a cursor stands for. Raises InvalidCursor."""
        *values, last = page_values(cursor, self.name, len(self.keys) + 1, key=key)
        if not isinstance(last, str):
            raise InvalidCursor(key=key)
        if self.absent is not None and all(value is None for value in values):
            return Position(1, (), last)
        for one, value in zip(self.keys, values, strict=True):
            if type(value) not in one.kinds or (isinstance(value, int) and abs(value) >= 2**63):
                raise InvalidCursor(key=key)
        return Position(0, tuple(values), last)

    def sort_key(self, record: Any) -> tuple[Any, ...]:
        """What records compare by in memory, the first of the list being the least."""
        values = self.read(record)
        own_id = _Reversed(record.id) if self.descending else record.id
        if values is None:
            return (1, own_id)
        found = (_Reversed(value) if key.descending else value for key, value in zip(self.keys, values, strict=True))
        return (0, *found, own_id)


#: How documents hold the values of each type of field that has an order.
_KINDS: Mapping[FieldType, tuple[type, ...]] = MappingProxyType(
    {
        FieldType.TEXT: (str,),
        FieldType.NUMBER: (int, float),
        FieldType.BOOLEAN: (bool,),
        FieldType.DATETIME: (datetime,),
        FieldType.SELECT: (str,),
    }
)


def field_order(collection: str, definition: FieldDefinition) -> SortOrder:
    """By the value of a custom field, entries without one last; the index of a unique field gives it.

    Raises Invalid for a MULTI_SELECT, which holds several values.
    """
    kinds = _KINDS.get(definition.type)
    if kinds is None:
        raise Invalid(f"{quoted(definition.key)} holds several values, which have no order.", key="orderBy.customField")
    path, key = f"{_FIELDS}{definition.id}", definition.key

    def read(record: Any) -> tuple[Any, ...] | None:
        value = record.custom_fields.get(key)
        return (value,) if type(value) in kinds else None

    return SortOrder(
        f"{collection}.{path}",
        (SortKey(path, kinds),),
        unique=definition.unique,
        present={path: {"$exists": True}},
        absent={path: {"$exists": False}},
        read=read,
        indexed=definition.unique,
    )


@total_ordering
@dataclass(frozen=True, slots=True)
class _Reversed:
    """A value that compares the other way round."""

    value: Any

    def __lt__(self, other: "_Reversed") -> bool:
        return bool(other.value < self.value)


def _plain(value: Any) -> Any:
    """A number of the driver's own type as a number."""
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _direction(descending: bool) -> int:
    return DESCENDING if descending else ASCENDING


def _at(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value
