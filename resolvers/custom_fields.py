"""Definitions of custom fields: defined, changed and removed with data in place; and looked up for everybody else."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from resolvers import field_values, filters, offenders
from resolvers.context import Context
from resolvers.field_definitions import check_definition
from resolvers.field_values import FieldAssignment, FieldIncrement
from resolvers.operations import Change, mutation, query
from storage import custom_fields, removals, unique_indexes
from storage.errors import Invalid, shorten
from storage.filters import And, Expression, FieldCondition, Not, Or
from storage.records import FieldDefinition, FieldTarget, FieldType, FieldValue, Record
from storage.removals import Removal
from storage.transactions import Reader, Transaction

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
        id=tx.lasting.id,  # the same in every attempt, and so its index
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
    await custom_fields.refuse_taken(tx, definition)
    if await custom_fields.count(tx, target) >= MAX_DEFINITIONS:
        raise Invalid(f"{offenders.holders(definition)} take up to {MAX_DEFINITIONS} custom fields.", key="key")
    if unique:
        await _refuse_too_many(tx, definition)
        # The index comes first: from the moment the field is known, MongoDB keeps it unique.
        await custom_fields.claim(tx, definition)
        with tx.lasting.progress.unhurried():
            await unique_indexes.create(tx.database, definition)
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
    """Change a field's label or rules. Refused, with the first offenders, when values held already break a new rule.

    Values that are being written meanwhile by an older rule count as held: a tighter one is announced first, and looked
    at again when nobody writes by the older one any more.
    """
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
    check_definition(after, before=before)
    if after == before:
        return before
    with tx.lasting.progress.unhurried():
        await offenders.refuse(tx, before, after)
        if offenders.is_tighter(before, after):
            await custom_fields.announce(tx, after)
            await offenders.refuse(tx, before, after)
        if after.unique and not before.unique:
            await _make_unique(tx, after)
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


async def _make_unique(tx: Transaction, definition: FieldDefinition) -> None:
    """Have MongoDB keep a field unique that is about to be so."""
    await _refuse_too_many(tx, definition)
    await offenders.refuse_duplicates(tx, definition)
    if definition.id not in tx.lasting.claimed:
        await custom_fields.claim(tx, definition)
    await unique_indexes.create(tx.database, definition)


async def _refuse_too_many(reader: Reader, definition: FieldDefinition) -> None:
    if await custom_fields.count(reader, definition.target, unique=True) >= MAX_UNIQUE:
        raise Invalid(f"{offenders.holders(definition)} take up to {MAX_UNIQUE} unique custom fields.", key="unique")


# ---------------------------------------------------------------- for everybody else


async def definitions_of(reader: Reader, target: FieldTarget, keys: Iterable[str]) -> Mapping[str, FieldDefinition]:
    """The definitions of a target by key. An unknown key is looked for once more: it may have been defined just now."""
    known = reader.catalog.definitions(target)
    if any(key not in known for key in keys):
        await reader.catalog.refresh()
        known = reader.catalog.definitions(target)
    return known


async def assign(
    tx: Transaction,
    target: FieldTarget,
    current: Mapping[str, FieldValue],
    assignments: Sequence[FieldAssignment] | None,
    *,
    increments: Sequence[FieldIncrement] | None = None,
    creating: bool = False,
) -> dict[str, FieldValue]:
    """The custom fields of an entity after a change (field_values.assign).

    The change is committed only if the definitions are then as they are now.
    """
    keys = [one.key for one in assignments or ()] + [one.key for one in increments or ()]
    definitions = await definitions_of(tx, target, keys)
    if keys or creating:
        tx.rely_on_definitions()
    return field_values.assign(
        current,
        assignments or (),
        increments=increments or (),
        definitions=definitions,
        coming=tx.catalog.coming(target),
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
