"""Defining custom fields, changing their rules and removing them."""

import strawberry

from resolvers.custom_fields import definitions
from schema.base.fields import api_input, api_type, mutation_field, or_unset
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.custom_fields import CustomFieldDefinition
from schema.execution.context import Info
from storage import records


@api_input
class DefineCustomFieldInput(MutationInput):
    """A custom field that does not exist yet."""

    target: records.FieldTarget
    """What it will be a field of."""
    key: str
    """What to call it in inputs, filters and answers: 1 to 64 letters, digits, `_` and `-`. `DUPLICATE_VALUE` when the
    target has such a field already."""
    type: records.FieldType
    """What kind of value it will hold."""
    label: str | None = None
    """What to call it in front of people, in up to 200 characters; the key when null."""
    required: bool = False
    """Whether whatever of the target is created from now on must hold a value."""
    unique: bool = False
    """Whether no two of the target may hold the same value."""
    options: list[str] | None = None
    """What a SELECT or MULTI_SELECT may hold: 1 to 200 texts of up to 128 characters. Needed for these types,
    `INVALID_INPUT` for others."""
    pattern: str | None = None
    """An expression in RE2 syntax, of up to 512 characters, that the whole of a TEXT must match; `INVALID_INPUT` for
    other types."""


@api_input
class UpdateCustomFieldInput(MutationInput):
    """New rules for a custom field. What is left out stays as it is."""

    id: strawberry.ID
    """The definition; `NOT_FOUND` when there is none."""
    label: str | None = strawberry.UNSET
    """What to call it in front of people; null makes it the key."""
    required: bool | None = strawberry.UNSET
    """Whether everything of the target must hold a value: refused while some does not. null ends the rule, as false
    does."""
    unique: bool | None = strawberry.UNSET
    """Whether no two of the target may hold the same value: refused while two do. null ends the rule, as false does."""
    options: list[str] | None = strawberry.UNSET
    """What a SELECT or MULTI_SELECT may hold from now on."""
    pattern: str | None = strawberry.UNSET
    """An expression in RE2 syntax that the whole of a TEXT must match; null lifts it."""


@api_input
class RemoveCustomFieldInput(MutationInput):
    """A custom field that is no longer needed."""

    id: strawberry.ID
    """The definition; `NOT_FOUND` when there is none."""


@api_type
class DefineCustomFieldPayload(MutationPayload):
    """The custom field that came to be."""

    definition: CustomFieldDefinition
    """The new definition."""


@api_type
class UpdateCustomFieldPayload(MutationPayload):
    """The custom field with its new rules."""

    definition: CustomFieldDefinition
    """The definition as it is now."""


@api_type
class RemoveCustomFieldPayload(MutationPayload):
    """The custom field that is gone."""

    removed_id: strawberry.ID
    """The id that the definition had."""


@api_type
class CustomFieldMutations:
    """Changing definitions."""

    @mutation_field(definitions.define_custom_field)
    async def define_custom_field(
        self, info: Info, input: Input[DefineCustomFieldInput]
    ) -> DefineCustomFieldPayload | None:
        """Adds a custom field, ready to be written, filtered by and found by at once.

        A required field binds every operation that creates a user (visitor, room) from then on; those that are there
        stay as they are. Recorded as `CustomFieldDefined`.
        """
        definition = await definitions.define_custom_field(
            info.context.mutation(input.client_mutation_id),
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
        """Changes the label or the rules of a custom field; key, target and type stay for good.

        Rules that values already held would break are refused, with the ids of the first offenders beside the code as
        `offenders`: `DUPLICATE_VALUE`, `FIELD_REQUIRED` (closed rooms may be without) or `INVALID_FIELD_VALUE`.
        Recorded as `CustomFieldUpdated`.
        """
        definition = await definitions.update_custom_field(
            info.context.mutation(input.client_mutation_id),
            id=input.id,
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
        """Removes a custom field, and with it every value it holds. There is no way back.

        The values are out of reach at once; a new field under the same key starts empty. Recorded as
        `CustomFieldRemoved`.
        """
        definition = await definitions.remove_custom_field(info.context.mutation(input.client_mutation_id), id=input.id)
        return RemoveCustomFieldPayload(
            removed_id=strawberry.ID(definition.id), client_mutation_id=input.client_mutation_id
        )
