"""Mutations of the definitions of custom fields."""

import strawberry

from resolvers.custom_fields import definitions
from schema.base import ids
from schema.base.fields import api_input, api_type, mutation_field, or_unset
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.custom_fields import CustomFieldDefinition
from schema.execution.context import Info
from storage import records


@api_input
class DefineCustomFieldInput(MutationInput):
    """Input of `defineCustomField`."""

    target: records.FieldTarget
    """The kind of object that has the field."""
    key: str
    """The name of the field in inputs, filters and results: 1 to 64 letters, digits, `_` and `-`. `DUPLICATE_VALUE` if
    the target has a field with this key."""
    type: records.FieldType
    """The type of the values."""
    label: str | None = None
    """The display name, up to 200 characters. The key if null."""
    required: bool = False
    """Whether objects of the target that are created from now on must have a value."""
    unique: bool = False
    """Whether each value may occur only once among the objects of the target."""
    options: list[str] | None = None
    """The options of a SELECT or MULTI_SELECT: 1 to 200 texts of up to 128 characters. Required for these types,
    `INVALID_INPUT` for others."""
    pattern: str | None = None
    """A regular expression in RE2 syntax, up to 512 characters, that the whole value of a TEXT must match.
    `INVALID_INPUT` for other types."""


@api_input
class UpdateCustomFieldInput(MutationInput):
    """Input of `updateCustomField`. Fields that are left out keep their values."""

    id: strawberry.ID
    """The id of the definition. `NOT_FOUND` if there is no such definition."""
    label: str | None = strawberry.UNSET
    """The display name; null sets it to the key."""
    required: bool | None = strawberry.UNSET
    """Whether every object of the target must have a value. `FIELD_REQUIRED` if some have none. null is the same as
    false."""
    unique: bool | None = strawberry.UNSET
    """Whether each value may occur only once among the objects of the target. `DUPLICATE_VALUE` if one occurs twice.
    null is the same as false."""
    options: list[str] | None = strawberry.UNSET
    """The options of a SELECT or MULTI_SELECT, replacing the current ones."""
    pattern: str | None = strawberry.UNSET
    """A regular expression in RE2 syntax that the whole value of a TEXT must match; null removes it."""


@api_input
class RemoveCustomFieldInput(MutationInput):
    """Input of `removeCustomField`."""

    id: strawberry.ID
    """The id of the definition. `NOT_FOUND` if there is no such definition."""


@api_type
class DefineCustomFieldPayload(MutationPayload):
    """Result of `defineCustomField`."""

    definition: CustomFieldDefinition
    """The new definition."""


@api_type
class UpdateCustomFieldPayload(MutationPayload):
    """Result of `updateCustomField`."""

    definition: CustomFieldDefinition
    """The definition after the change."""


@api_type
class RemoveCustomFieldPayload(MutationPayload):
    """Result of `removeCustomField`."""

    removed_id: strawberry.ID
    """The id of the removed definition."""


@api_type
class CustomFieldMutations:
    """Mutations of definitions of custom fields."""

    @mutation_field(definitions.define_custom_field)
    async def define_custom_field(
        self, info: Info, input: Input[DefineCustomFieldInput]
    ) -> DefineCustomFieldPayload | None:
        """Defines a custom field. The field can be written and used in filters at once.

        If the field is required, every object of the target that is created from now on must have a value. Existing
        objects may remain without one. Records `CustomFieldDefined`.
        """
        definition = await definitions.define_custom_field(
            info.context.mutation(input),
            target=input.target,
            key=input.key,
            type=input.type,
            label=input.label,
            required=input.required,
            unique=input.unique,
            options=input.options,
            pattern=input.pattern,
        )
        return DefineCustomFieldPayload(
            definition=CustomFieldDefinition.from_record(definition), client_mutation_id=input.client_mutation_id
        )

    @mutation_field(definitions.update_custom_field)
    async def update_custom_field(
        self, info: Info, input: Input[UpdateCustomFieldInput]
    ) -> UpdateCustomFieldPayload | None:
        """Changes the label or the constraints of a custom field. Its key, target and type cannot be changed.

        If existing values violate a new constraint, the mutation is refused with `DUPLICATE_VALUE`, `FIELD_REQUIRED`
        (closed rooms may have no value) or `INVALID_FIELD_VALUE`, and `offenders` of the error lists the first ids.
        Records `CustomFieldUpdated`.
        """
        definition = await definitions.update_custom_field(
            info.context.mutation(input),
            id=ids.FIELD.parse(input.id, "id"),
            label=or_unset(input.label),
            required=or_unset(input.required),
            unique=or_unset(input.unique),
            options=or_unset(input.options),
            pattern=or_unset(input.pattern),
        )
        return UpdateCustomFieldPayload(
            definition=CustomFieldDefinition.from_record(definition), client_mutation_id=input.client_mutation_id
        )

    @mutation_field(definitions.remove_custom_field)
    async def remove_custom_field(
        self, info: Info, input: Input[RemoveCustomFieldInput]
    ) -> RemoveCustomFieldPayload | None:
        """Removes a custom field and all of its values. This cannot be undone.

        The values cannot be read from now on. A new field with the same key has no values. Records
        `CustomFieldRemoved`.
        """
        definition = await definitions.remove_custom_field(
            info.context.mutation(input), id=ids.FIELD.parse(input.id, "id")
        )
        return RemoveCustomFieldPayload(
            removed_id=ids.FIELD.format(definition.id), client_mutation_id=input.client_mutation_id
        )
