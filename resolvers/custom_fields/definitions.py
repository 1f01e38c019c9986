"""Operations on definitions of custom fields, and functions by which other operations assign and filter by them."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from resolvers.context import Context
from resolvers.custom_fields import constraint_checks, filter_binding, values
from resolvers.custom_fields.definition_checks import check_definition
from resolvers.custom_fields.values import FieldAssignment, FieldIncrement
from resolvers.operations import MutationContext, mutation, query
from storage.custom_fields import commit_guard, purges, unique_indexes
from storage.custom_fields import definitions as stored_definitions
from storage.custom_fields.purges import Purge
from storage.errors import Invalid, quoted
from storage.filters.expressions import And, Expression, FieldCondition, Not, Or
from storage.mongo.reader import Reader
from storage.records import FieldDefinition, FieldTarget, FieldType, FieldValue, Record
from storage.transactions.transaction import Transaction

#: Definitions of one target. Every process caches all definitions, and an entity may have a value of each.
MAX_DEFINITIONS = 500
#: Unique definitions of one target. Each has an index, and MongoDB allows 64 indexes of a collection.
MAX_UNIQUE = 32


class FieldRef(Record, frozen=True, kw_only=False):
    """A unique custom field and the value that names one entity by it."""

    key: str
    value: object


@query()
async def list_definitions(context: Context, *, target: FieldTarget | None = None) -> list[FieldDefinition]:
    return await stored_definitions.list_all(context.reader, target)


@query()
async def find_many(context: Context, ids: Sequence[str]) -> dict[str, FieldDefinition]:
    """Definitions by id; those that do not exist are absent."""
    return await stored_definitions.get_many(context.reader, ids)


@mutation("fields:write")
async def define_custom_field(
    change: MutationContext,
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
    """Define a field. If it is required, existing entities may lack a value, and new ones may not."""
    tx = change.tx
    definition = FieldDefinition(
        id=tx.state.id,  # every attempt uses the same id, and so the same index
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
    await stored_definitions.require_key_free(tx, definition)
    if await stored_definitions.count(tx, target) >= MAX_DEFINITIONS:
        raise Invalid(f"{constraint_checks.noun_of(definition)} take up to {MAX_DEFINITIONS} custom fields.", key="key")
    if unique:
        await _require_room_for_another(tx, definition)
        # The index is created first, so that MongoDB enforces uniqueness from the first value on.
        await stored_definitions.acquire_lease(tx, definition)
        with tx.state.deadline.without_deadline():
            await unique_indexes.create(tx.database, definition)
    return await stored_definitions.insert(tx, definition)


@mutation("fields:write", lock=("field", "id"))
async def update_custom_field(
    change: MutationContext,
    *,
    id: str,
    label: str | UnsetType | None = UNSET,
    required: bool | UnsetType | None = UNSET,
    unique: bool | UnsetType | None = UNSET,
    options: Sequence[str] | UnsetType | None = UNSET,
    pattern: str | UnsetType | None = UNSET,
) -> FieldDefinition:
    """Change a field's label or rules. Refused, with the first offenders, if stored values break a new rule.

    A tighter rule is first made pending, so that every process enforces it for new values. Stored values are then
    checked again, including those that other transactions wrote before that.
    """
    tx = change.tx
    before = await stored_definitions.get(tx, id)
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
    with tx.state.deadline.without_deadline():
        await constraint_checks.require_values_fit(tx, before, after)
        if constraint_checks.is_stricter(before, after):
            await stored_definitions.publish_pending(tx, after)
            await constraint_checks.require_values_fit(tx, before, after)
        if after.unique and not before.unique:
            await _make_unique(tx, after)
    return await stored_definitions.update(tx, before, after)


@query()
async def list_purges(context: Context) -> list[Purge]:
    """The purges of recently removed fields, oldest first."""
    return await purges.list_all(context.reader)


@mutation("fields:write", lock=("field", "id"))
async def remove_custom_field(change: MutationContext, *, id: str) -> FieldDefinition:
    """Remove a field. Its values are unreachable at once, and deleted in the background."""
    definition = await stored_definitions.get(change.tx, id)
    await stored_definitions.delete(change.tx, definition)
    return definition


async def _make_unique(tx: Transaction, definition: FieldDefinition) -> None:
    """Create the unique index of a field that is not unique yet."""
    await _require_room_for_another(tx, definition)
    await constraint_checks.require_no_duplicates(tx, definition)
    if definition.id not in tx.state.leased_definitions:
        await stored_definitions.acquire_lease(tx, definition)
    await unique_indexes.create(tx.database, definition)


async def _require_room_for_another(reader: Reader, definition: FieldDefinition) -> None:
    if await stored_definitions.count(reader, definition.target, unique=True) >= MAX_UNIQUE:
        raise Invalid(
            f"{constraint_checks.noun_of(definition)} take up to {MAX_UNIQUE} unique custom fields.", key="unique"
        )


# ---------------------------------------------------------------- for other operations


async def definitions_of(reader: Reader, target: FieldTarget, keys: Iterable[str]) -> Mapping[str, FieldDefinition]:
    """The definitions of a target by key. Refreshes the cache if it does not have one of the keys."""
    cache = reader.definition_cache
    if any(key not in cache.definitions(target) for key in keys):
        await cache.refresh()
    return cache.definitions(target)


async def assign(
    tx: Transaction,
    target: FieldTarget,
    current: Mapping[str, FieldValue],
    assignments: Sequence[FieldAssignment] | None,
    *,
    increments: Sequence[FieldIncrement] | None = None,
    creating: bool = False,
) -> dict[str, FieldValue]:
    """The custom fields of an entity after a mutation (values.assign).

    The transaction commits only if the definitions have not changed by then.
    """
    keys = [one.key for one in assignments or ()] + [one.key for one in increments or ()]
    definitions = await definitions_of(tx, target, keys)
    if keys or creating:
        commit_guard.pin_epoch(tx)
    return values.assign(
        current,
        assignments or (),
        increments=increments or (),
        definitions=definitions,
        pending=tx.definition_cache.pending(target),
        creating=creating,
    )


async def bind(reader: Reader, target: FieldTarget, where: Expression | None, *, path: str = "where") -> Expression:
    """Bind the filter to the definitions (filter_binding.bind)."""
    where = And() if where is None else where
    definitions = await definitions_of(reader, target, _keys(where))
    return filter_binding.bind(where, definitions, target, path=path)


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


async def find_definition(reader: Reader, target: FieldTarget, key: str) -> FieldDefinition:
    """The definition with that key. Raises UnknownField."""
    definitions = await definitions_of(reader, target, [key])
    if key not in definitions:
        raise values.unknown_field_error(key, definitions)
    return definitions[key]


async def resolve(reader: Reader, target: FieldTarget, ref: FieldRef) -> tuple[FieldDefinition, FieldValue]:
    """The unique field that a reference names, and the value in its stored form."""
    definition = await find_definition(reader, target, ref.key)
    if not definition.unique:
        raise Invalid(
            f"Custom field {quoted(ref.key)} is not unique, so its value can belong to several entities; use a filter.",
            key=ref.key,
        )
    return definition, values.convert(definition, ref.value, subject=f"Custom field {quoted(ref.key)}")
