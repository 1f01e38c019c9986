"""The bases of the generated classes."""

from enum import StrEnum
from typing import Self

from msgspec import Struct
from typing_extensions import override

FieldValue = str | bool | int | float | tuple[str, ...]
"""A value of a custom field. A DATETIME is a text of RFC 3339."""


class OpenEnum(StrEnum):
    """An enum that also takes values that a newer server may send."""

    @classmethod
    @override
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_, member._value_ = value, value
        return member


class Record(Struct, frozen=True, kw_only=True, rename="camel"):
    """An object of the API. Fields that the class does not have are ignored."""


class CustomField(Record, frozen=True, kw_only=True):
    """A custom field with its value."""

    key: str
    value: FieldValue


class RecordWithCustomFields(Record, frozen=True, kw_only=True):
    """An object with custom fields."""

    custom_fields: tuple[CustomField, ...]
    """All custom fields that have a value, in the order of their keys."""

    def custom_field(self, key: str) -> FieldValue | None:
        """The value of one custom field. None if it has no value."""
        return next((field.value for field in self.custom_fields if field.key == key), None)


class EventRecord(Record, frozen=True, kw_only=True, tag_field="__typename", tag=True):
    """The base of all events."""

    cursor: str
    """The position of the event in the log."""

    @property
    def subject_id(self) -> str:
        """The id of the entity that the event is about: for events of a room, the id of the room.

        Each generated event type overrides it. The server sends no event of this base type.
        """
        raise NotImplementedError

    def key(self, name: str) -> str:
        """A `client_mutation_id` for one of the effects of this event: the same one when the event is repeated."""
        return f"{self.cursor}/{name}"
