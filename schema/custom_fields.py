"""Custom fields: the types of definitions and values, the inputs, and the queries."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Self

import strawberry

from resolvers.custom_fields import definitions as field_definitions
from resolvers.custom_fields.definitions import FieldRef
from resolvers.custom_fields.values import FieldAssignment, FieldIncrement
from schema.base import ids
from schema.base.fields import api_input, api_type, describe_enum, field, or_unset, pure_field, query_field
from schema.base.node import Node
from schema.base.scalars import FieldValue, Long
from schema.execution.context import Info
from storage import records
from storage.custom_fields.purges import Purge

describe_enum(
    records.FieldTarget,
    "The types that have custom fields. Each target has its own definitions: the same key may be defined once for "
    "each target.",
    USER="Users, including agents.",
    VISITOR="Visitors.",
    ROOM="Rooms.",
)
describe_enum(
    records.FieldType,
    "The type of the values of a custom field.",
    TEXT="A String. May be restricted by a pattern.",
    NUMBER="An Int or a Float of at most 2^53 - 1, up to which whole numbers are exact. Can be incremented atomically.",
    BOOLEAN="A Boolean.",
    DATETIME="A time, as a String in the format of `DateTime`. Values are compared as instants.",
    SELECT="One of the definition's options, as a String.",
    MULTI_SELECT="Any of the definition's options, as a list of Strings without repetition. The order does not matter.",
)


@api_type
class CustomFieldDefinition(Node):
    """The definition of a custom field: its key, its type and the constraints on its values. All mutations check values
    against it."""

    target: records.FieldTarget
    """The type of object that has the field. It never changes."""
    key: str
    """The name of the field in inputs, filters and results. It is unique within the target and never changes."""
    type: records.FieldType
    """The type of the values. It never changes."""
    label: str
    """The display name."""
    required: bool
    """Whether new objects of the target must have a value. `FIELD_REQUIRED` if one is created without a value, and if
    the value is removed."""
    unique: bool
    """Whether each value may occur only once among the objects of the target (`DUPLICATE_VALUE`). A unique field can
    identify an object in queries and in `ensureAgent`."""
    options: list[str]
    """The allowed values of a SELECT or MULTI_SELECT, in display order. Empty for other types."""
    pattern: str | None
    """A regular expression in RE2 syntax that the whole value of a TEXT must match. No restriction if null."""

    @classmethod
    def from_record(cls, definition: records.FieldDefinition) -> Self:
        return cls(
            id=ids.FIELD.format(definition.id),
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
    """A removed custom field, and the progress of deleting its values. The values cannot be read."""

    id: strawberry.ID
    """The id of the removed definition."""
    target: records.FieldTarget
    """The type of object that had the field."""
    key: str
    """The key of the field. Another field may have this key now."""
    removed_at: datetime
    """When the field was removed."""
    purged: Long
    """The number of objects whose value was deleted."""
    remaining: Long | None
    """The number of objects whose value is not deleted yet. Null until they are counted."""
    done: bool
    """Whether all values are deleted."""

    @classmethod
    def from_record(cls, removal: Purge) -> Self:
        done = removal.done_at is not None
        remaining = None if removal.total is None else Long(max(removal.total - removal.purged, 0))
        return cls(
            id=ids.FIELD.format(removal.id),
            target=removal.target,
            key=removal.key,
            removed_at=removal.removed_at,
            purged=Long(removal.purged),
            remaining=Long(0) if done else remaining,
            done=done,
        )


@api_type
class CustomField:
    """The value of a custom field of a user, visitor or room."""

    key: str
    """The key of the field."""
    value: FieldValue
    """The value, in the format of the field's type."""


def to_custom_fields(values: Mapping[str, records.FieldValue]) -> list[CustomField]:
    """The values of a record, sorted by key."""
    return [CustomField(key=key, value=_to_output(value)) for key, value in sorted(values.items())]


@api_type
class HasCustomFields:
    """The fields of types that have custom fields."""

    field_values: strawberry.Private[Mapping[str, records.FieldValue]]

    @pure_field
    def custom_fields(self) -> list[CustomField]:
        """All custom fields that have a value, in the order of their keys."""
        return to_custom_fields(self.field_values)

    @field
    def custom_field(
        self,
        key: Annotated[str, strawberry.argument(description="The key of the field.")],
    ) -> FieldValue | None:
        """The value of one custom field. Null if it has no value, or if no field has this key."""
        value = self.field_values.get(key)
        return None if value is None else _to_output(value)


@api_input
class CustomFieldInput:
    """A value to set or remove. Custom fields that are not listed keep their values."""

    key: str
    """The key of the field. `UNKNOWN_FIELD` if the target has no field with this key."""
    value: FieldValue | None = strawberry.UNSET
    """The new value. `INVALID_FIELD_VALUE` if the field's definition does not allow it. Null removes the value; if left
    out, the field keeps its value."""


@api_input
class FieldIncrementInput:
    """A number to add to a NUMBER field. Concurrent increments are all applied."""

    key: str
    """The key of the field. `UNKNOWN_FIELD` if no field has this key, `INVALID_FIELD_VALUE` if the field is not a
    NUMBER."""
    by: float
    """The number to add; negative to subtract. A field without a value counts as 0."""


@api_input
class CustomFieldRef:
    """The value of a unique custom field. It identifies at most one user, visitor or room."""

    key: str
    """The key of a unique field. `UNKNOWN_FIELD` if no field has this key, `INVALID_INPUT` if the field is not
    unique."""
    value: FieldValue
    """The value to find. `INVALID_FIELD_VALUE` if it is not a valid value of the field's type."""


def to_field_ref(ref: CustomFieldRef | None) -> FieldRef | None:
    """The reference, or None if another field of the input was given."""
    return FieldRef(key=ref.key, value=ref.value) if ref else None


def assignments(inputs: Sequence[CustomFieldInput] | None) -> list[FieldAssignment]:
    """The values to write. None is the empty list."""
    return [FieldAssignment(key=one.key, value=or_unset(one.value)) for one in inputs or ()]


def increments(inputs: Sequence[FieldIncrementInput] | None) -> list[FieldIncrement]:
    """The numbers to add. None is the empty list."""
    return [FieldIncrement(key=one.key, by=one.by) for one in inputs or ()]


def _to_output(value: records.FieldValue) -> FieldValue:
    return value  # type: ignore[return-value]  # the scalar writes datetimes as text


@api_type
class CustomFieldQueries:
    """Queries of custom fields."""

    @query_field(field_definitions.list_definitions)
    async def custom_field_definitions(
        self,
        info: Info,
        target: Annotated[
            records.FieldTarget | None,
            strawberry.argument(description="Returns only the fields of this target. All fields if null."),
        ] = None,
    ) -> list[CustomFieldDefinition] | None:
        """The custom fields, sorted by target and then in the order in which they were defined."""
        definitions = await field_definitions.list_definitions(info.context.resolver_context, target=target)
        return [CustomFieldDefinition.from_record(definition) for definition in definitions]

    @query_field(field_definitions.list_purges)
    async def custom_field_removals(self, info: Info) -> list[CustomFieldRemoval] | None:
        """The removed custom fields, in the order of removal. A field is listed until one day after its last value was
        deleted.

        The values of a removed field cannot be read from the removal on. They are deleted in the background; this query
        returns the progress.
        """
        removals = await field_definitions.list_purges(info.context.resolver_context)
        return [CustomFieldRemoval.from_record(removal) for removal in removals]
