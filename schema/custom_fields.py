"""Custom fields: their definitions, the values that users, visitors and rooms hold, and how values are given."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Self

import strawberry

from resolvers.custom_fields import definitions as field_definitions
from resolvers.custom_fields.definitions import FieldRef
from resolvers.custom_fields.values import FieldAssignment, FieldIncrement
from schema.base import ids
from schema.base.fields import api_input, api_type, describe_enum, field, or_unset, query_field
from schema.base.node import Node
from schema.base.scalars import FieldValue, Long
from schema.execution.context import Info
from storage import records
from storage.custom_fields.purges import Purge

describe_enum(
    records.FieldTarget,
    "What can hold custom fields. Each target has definitions of its own: the same key may mean different things.",
    USER="Users, and so agents too.",
    VISITOR="Visitors.",
    ROOM="Rooms.",
)
describe_enum(
    records.FieldType,
    "What a custom field holds.",
    TEXT="A String. May be restricted by a pattern.",
    NUMBER="An Int or a Float of at most 2^53 - 1, up to which whole numbers are exact. Can be incremented atomically.",
    BOOLEAN="A Boolean.",
    DATETIME="A point in time, written as a String in the form of `DateTime`. Compared as an instant.",
    SELECT="One of the definition's options, as a String.",
    MULTI_SELECT="Any of the definition's options, as a list of Strings without repetition. The order does not matter.",
)


@api_type
class CustomFieldDefinition(Node):
    """What one custom field is called and may hold. Every value is checked against it, whichever way it comes in."""

    target: records.FieldTarget
    """What the field is a field of. Never changes."""
    key: str
    """What the field is called in inputs, filters and answers; unique within its target. Never changes."""
    type: records.FieldType
    """What kind of value the field holds. Never changes."""
    label: str
    """What to call the field in front of people."""
    required: bool
    """Whether whatever of the target is created must hold a value: without one that is `FIELD_REQUIRED`, and so is
    removing it."""
    unique: bool
    """Whether no two of the target may hold the same value (`DUPLICATE_VALUE`). Only such a field can look things
    up."""
    options: list[str]
    """What a SELECT or MULTI_SELECT may hold, in the order in which to offer it. Empty for the other types."""
    pattern: str | None
    """An expression in RE2 syntax that the whole of a TEXT must match; null when anything goes."""

    @classmethod
    def from_record(cls, definition: records.FieldDefinition) -> Self:
        return cls(
            id=ids.FIELD.add(definition.id),
            target=definition.target,
            key=definition.key,
            type=definition.type,
            label=definition.label,
            required=definition.required,
            unique=definition.unique,
            options=list(definition.options),
            pattern=definition.pattern,
        )


@api_type
class CustomFieldRemoval:
    """A custom field that was removed, and how far what it held is gone. Nobody sees its values either way."""

    id: strawberry.ID
    """The id that the definition had."""
    target: records.FieldTarget
    """What the field was a field of."""
    key: str
    """What the field was called; another may have the key by now."""
    removed_at: datetime
    """When it was removed."""
    purged: Long
    """How many users, visitors or rooms have been freed of its value."""
    remaining: Long | None
    """How many have not yet; null until they have been counted."""
    done: bool
    """Whether nothing is left of it."""

    @classmethod
    def from_record(cls, removal: Purge) -> Self:
        done = removal.done_at is not None
        remaining = None if removal.total is None else Long(max(removal.total - removal.purged, 0))
        return cls(
            id=ids.FIELD.add(removal.id),
            target=removal.target,
            key=removal.key,
            removed_at=removal.removed_at,
            purged=Long(removal.purged),
            remaining=Long(0) if done else remaining,
            done=done,
        )


@api_type
class CustomField:
    """A value that a user, visitor or room holds."""

    key: str
    """Which field it is: the key of its definition."""
    value: FieldValue
    """What it holds, in the form that the definition's type has."""


def to_custom_fields(values: Mapping[str, records.FieldValue]) -> list[CustomField]:
    """The values of a record as the API lists them."""
    return [CustomField(key=key, value=_to_output(value)) for key, value in sorted(values.items())]


@api_type
class HasCustomFields:
    """What users, visitors and rooms have in common."""

    field_values: strawberry.Private[Mapping[str, records.FieldValue]]

    @field
    def custom_fields(self) -> list[CustomField]:
        """All custom fields that hold a value, in the order of their keys. Fields without a value are absent."""
        return to_custom_fields(self.field_values)

    @field
    def custom_field(
        self,
        key: Annotated[str, strawberry.argument(description="The key of the field's definition.")],
    ) -> FieldValue | None:
        """The value of one custom field; null when it holds none, or when no field has this key."""
        value = self.field_values.get(key)
        return None if value is None else _to_output(value)


@api_input
class CustomFieldInput:
    """A value to give to a custom field, or to take from it. Fields that are not named stay as they are."""

    key: str
    """The key of the field's definition; `UNKNOWN_FIELD` when there is none for this target."""
    value: FieldValue | None = strawberry.UNSET
    """What the field will hold, `INVALID_FIELD_VALUE` when its definition forbids that; null removes the field, and
    absent leaves it as it is."""


@api_input
class FieldIncrementInput:
    """A number to add to a NUMBER field. Increments by several clients at once all count."""

    key: str
    """The key of the field's definition; `UNKNOWN_FIELD` when there is none, `INVALID_FIELD_VALUE` when it is no
    NUMBER."""
    by: float
    """How much to add; negative to take away. A field without a value counts from 0."""


@api_input
class CustomFieldRef:
    """A value of a unique custom field: it names at most one user, visitor or room."""

    key: str
    """The key of a unique field; `UNKNOWN_FIELD` when there is none, `INVALID_INPUT` when the field is not unique."""
    value: FieldValue
    """The value to look for; `INVALID_FIELD_VALUE` when no such field could ever hold it."""


def to_field_ref(ref: CustomFieldRef | None) -> FieldRef | None:
    """The reference, when it is what was chosen to name something by."""
    return FieldRef(key=ref.key, value=ref.value) if ref else None


def assignments(inputs: Sequence[CustomFieldInput] | None) -> list[FieldAssignment]:
    """The values to write; no list at all writes none."""
    return [FieldAssignment(key=one.key, value=or_unset(one.value)) for one in inputs or ()]


def increments(inputs: Sequence[FieldIncrementInput] | None) -> list[FieldIncrement]:
    """The numbers to add; no list at all adds none."""
    return [FieldIncrement(key=one.key, by=one.by) for one in inputs or ()]


def _to_output(value: records.FieldValue) -> FieldValue:
    return value  # type: ignore[return-value]  # the scalar writes datetimes as text


@api_type
class CustomFieldQueries:
    """Reading definitions."""

    @query_field(field_definitions.list_definitions)
    async def custom_field_definitions(
        self,
        info: Info,
        target: Annotated[
            records.FieldTarget | None,
            strawberry.argument(description="Only the fields of this target; of all when null."),
        ] = None,
    ) -> list[CustomFieldDefinition] | None:
        """The custom fields that are defined, by target and then in the order in which they were defined."""
        definitions = await field_definitions.list_definitions(info.context.resolver_context, target=target)
        return [CustomFieldDefinition.from_record(definition) for definition in definitions]

    @query_field(field_definitions.list_purges)
    async def custom_field_removals(self, info: Info) -> list[CustomFieldRemoval] | None:
        """The custom fields that were removed, longest removed first, until a day after their values are gone.

        The values of a removed field are out of reach at once, but where they are many it takes a while to free the
        room they take up. This shows how far that is.
        """
        removals = await field_definitions.list_purges(info.context.resolver_context)
        return [CustomFieldRemoval.from_record(removal) for removal in removals]
