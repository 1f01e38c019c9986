"""Definitions of custom fields: defined, changed and removed with data in place; and looked up for everybody else."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from resolvers import field_values, filters
from resolvers.context import Context
from resolvers.field_definitions import check_definition
from resolvers.field_values import FieldAssignment, FieldIncrement
from resolvers.operations import Change, mutation, query
from storage import custom_fields, removals
from storage.database import new_id
from storage.errors import Duplicate, FieldRequired, Invalid, InvalidFieldValue, shorten, some_of
from storage.filters import And, Expression, FieldCondition, Not, Or
from storage.records import FieldDefinition, FieldTarget, FieldType, FieldValue, Record
from storage.removals import Removal
from storage.transactions import Conflict, Reader

#: How many offenders a refusal names.
OFFENDERS = 5
#: Of one target. Every process knows all definitions, and every entity may hold a value of each.
MAX_DEFINITIONS = 500
#: Of one target: each has an index of its own, of which MongoDB takes 64 in all.
MAX_UNIQUE = 32


class FieldRef(Record, frozen=True, kw_only=False):
    """A unique custom field and the value that names one entity by it."""

    key: str
    value: object


@query()
async def list_definitions(context: Context, *, target: FieldTarget | None = None) -> list[FieldDefinition]:
    return await custom_fields.list_all(context.reader, target)


@mutation("fields:write")
async def define_custom_field(
    change: Change,
    *,
    target: FieldTarget,
    key: str,
    type: FieldType,
    label: str | None = None,
    required: bool = False,
    unique: bool = False,
    options: Sequence[str] | None = None,
    pattern: str | None = None,
) -> FieldDefinition:
    """Define a field. A required one binds whatever is created from then on; what is there may be without a value."""
    tx = change.tx
    definition = FieldDefinition(
        id=new_id(tx.now),
        target=target,
        key=key,
        type=type,
        label=key if label is None else label,
        required=required,
        unique=unique,
        options=tuple(options or ()),
        pattern=pattern,
    )
    check_definition(definition)
    if await custom_fields.count(tx, target) >= MAX_DEFINITIONS:
        raise Invalid(f"{_holders(definition)} take up to {MAX_DEFINITIONS} custom fields.", key="key")
    if unique:
        await _refuse_too_many(tx, definition)
    # The index comes first: from the moment the field is known, MongoDB keeps it unique. An index left behind by a
    # change that failed after this is on a path that no field will ever have.
    if unique:
        await custom_fields.create_unique_index(tx, definition)
    return await custom_fields.insert(tx, definition)


@mutation("fields:write", turn=("field", "id"))
async def update_custom_field(
    change: Change,
    *,
    id: str,
    label: str | UnsetType | None = UNSET,
    required: bool | UnsetType | None = UNSET,
    unique: bool | UnsetType | None = UNSET,
    options: Sequence[str] | UnsetType | None = UNSET,
    pattern: str | UnsetType | None = UNSET,
) -> FieldDefinition:
    """Change a field's label or rules. Refused, with the first offenders, when values held already break a new rule."""
    tx = change.tx
    before = await custom_fields.get(tx, id)
    after = msgspec.structs.replace(
        before,
        label=before.label if label is UNSET else (label or before.key),
        required=before.required if required is UNSET else bool(required),
        unique=before.unique if unique is UNSET else bool(unique),
        options=before.options if options is UNSET else tuple(options or ()),
        pattern=before.pattern if pattern is UNSET else pattern,
    )
    check_definition(after)
    if after == before:
        return before
    if after.required and not before.required:
        await _refuse_missing(tx, after)
    if set(before.options) - set(after.options) or (after.pattern and after.pattern != before.pattern):
        await _refuse_misfits(tx, after)
    if after.unique and not before.unique:
        await _refuse_too_many(tx, after)
        if await removals.awaits_index(tx, id):
            raise Conflict  # it was unique a moment ago, and the index of then has to go first
        await _refuse_duplicates(tx, after)
        await custom_fields.create_unique_index(tx, after)
    if before.unique and not after.unique:
        await removals.insert_index(tx, after)  # dropped once this is true
    return await custom_fields.update(tx, before, after)


@query()
async def list_removals(context: Context) -> list[Removal]:
    """The fields that were removed of late, and how far their values are gone; longest removed first."""
    return await removals.list_all(context.reader)


@mutation("fields:write", turn=("field", "id"))
async def remove_custom_field(change: Change, *, id: str) -> FieldDefinition:
    """Remove a field and, from the same moment, all its values; what they took up is freed in the background."""
    definition = await custom_fields.get(change.tx, id)
    await custom_fields.delete(change.tx, definition)
    return definition


async def _refuse_too_many(reader: Reader, definition: FieldDefinition) -> None:
    if await custom_fields.count(reader, definition.target, unique=True) >= MAX_UNIQUE:
        raise Invalid(f"{_holders(definition)} take up to {MAX_UNIQUE} unique custom fields.", key="unique")


async def _refuse_missing(reader: Reader, definition: FieldDefinition) -> None:
    offenders = await custom_fields.without_value(reader, definition, limit=OFFENDERS + 1)
    if offenders:
        raise FieldRequired(
            f"{_holders(definition)} without {shorten(definition.key)} exist, so it cannot be required: "
            f"{some_of(offenders, OFFENDERS)}. Give them a value first.",
            key=definition.key,
            offenders=offenders[:OFFENDERS],
        )


async def _refuse_duplicates(reader: Reader, definition: FieldDefinition) -> None:
    offenders = await custom_fields.duplicates(reader, definition, limit=OFFENDERS)
    if offenders:
        named = "; ".join(f"{shorten(value)} by {some_of(ids, 3)}" for value, ids in offenders)
        raise Duplicate(
            f"{shorten(definition.key)} cannot be unique: several {_holders(definition).lower()} hold the same value: "
            f"{named}.",
            key=definition.key,
            offenders=[holder for _, ids in offenders for holder in ids][:OFFENDERS],
        )


async def _refuse_misfits(reader: Reader, definition: FieldDefinition) -> None:
    offenders: list[str] = []
    expected: object = None
    async for holder, value in custom_fields.iterate_values(reader, definition):
        try:
            field_values.check(definition, value)
        except InvalidFieldValue as error:
            offenders.append(holder)
            expected = error.data["expected"]
        if len(offenders) > OFFENDERS:
            break
    if offenders:
        raise InvalidFieldValue(
            f"Values of {shorten(definition.key)} that are held already break the new rule: "
            f"{some_of(offenders, OFFENDERS)}.",
            key=definition.key,
            expected=str(expected),
            offenders=offenders[:OFFENDERS],
        )


def _holders(definition: FieldDefinition) -> str:
    return f"{definition.target.value.capitalize()}s"


# ---------------------------------------------------------------- for everybody else


async def definitions_of(reader: Reader, target: FieldTarget, keys: Iterable[str]) -> Mapping[str, FieldDefinition]:
    """The definitions of a target by key. An unknown key is looked for once more: it may have been defined just now."""
    known = reader.catalog.definitions(target)
    if any(key not in known for key in keys):
        await reader.catalog.refresh()
        known = reader.catalog.definitions(target)
    return known


async def assign(
    reader: Reader,
    target: FieldTarget,
    current: Mapping[str, FieldValue],
    assignments: Sequence[FieldAssignment] | None,
    *,
    increments: Sequence[FieldIncrement] | None = None,
    creating: bool = False,
) -> dict[str, FieldValue]:
    """The custom fields of an entity after a change (field_values.assign)."""
    keys = [one.key for one in assignments or ()] + [one.key for one in increments or ()]
    return field_values.assign(
        current,
        assignments or (),
        increments=increments or (),
        definitions=await definitions_of(reader, target, keys),
        creating=creating,
    )


async def bind(reader: Reader, target: FieldTarget, where: Expression | None) -> Expression:
    """The filter, checked against the definitions and ready to be evaluated (filters.bind)."""
    where = And() if where is None else where
    definitions = await definitions_of(reader, target, _keys(where))
    return filters.bind(where, definitions, target)


def _keys(expression: Expression) -> set[str]:
    keys: set[str] = set()
    unseen = [expression]
    while unseen:
        match unseen.pop():
            case And(parts=parts) | Or(parts=parts):
                unseen.extend(parts)
            case Not(part=part):
                unseen.append(part)
            case FieldCondition(key=key):
                keys.add(key)
    return keys


async def resolve(reader: Reader, target: FieldTarget, ref: FieldRef) -> tuple[FieldDefinition, FieldValue]:
    """The unique field that a reference names, and the value in the form in which it is held."""
    definitions = await definitions_of(reader, target, [ref.key])
    definition = definitions.get(ref.key)
    if definition is None:
        raise field_values.unknown(ref.key, definitions)
    if not definition.unique:
        raise Invalid(
            f"Custom field {shorten(ref.key)} is not unique, so its value names nobody; use a filter.", key=ref.key
        )
    return definition, field_values.convert(definition, ref.value, subject=f"Custom field {shorten(ref.key)}")
