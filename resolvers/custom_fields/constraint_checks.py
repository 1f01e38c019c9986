"""Checks of stored values against a changed definition. A refusal names the first offenders."""

import asyncio
from collections.abc import Sequence

from resolvers.custom_fields import values
from storage.custom_fields import definitions
from storage.errors import Duplicate, EntityId, FieldRequired, InvalidFieldValue, listed, quoted
from storage.mongo.reader import Reader
from storage.records import FieldDefinition

#: How many offenders a refusal names.
MAX_NAMED = 5
#: How long to check values before other tasks of the event loop run.
YIELD_SECONDS = 0.003


def is_stricter(before: FieldDefinition, after: FieldDefinition) -> bool:
    """Whether a value may fit the definition `before` and not `after`. Ignores uniqueness."""
    return (after.required and not before.required) or _has_stricter_rules(before, after)


async def require_values_fit(reader: Reader, before: FieldDefinition, after: FieldDefinition) -> None:
    """Raise FieldRequired or InvalidFieldValue, with the first offenders, if there are any.

    Checks all values that were committed before the call.
    """
    if after.required and not before.required:
        await _require_no_missing(reader, after)
    if _has_stricter_rules(before, after):
        await _require_no_invalid(reader, after)


def _has_stricter_rules(before: FieldDefinition, after: FieldDefinition) -> bool:
    pattern = after.pattern if after.pattern != before.pattern else None
    return pattern is not None or bool(set(before.options) - set(after.options))


def noun_of(definition: FieldDefinition) -> str:
    return f"{definition.target.value.capitalize()}s"


def _entity_ids(definition: FieldDefinition, ids: Sequence[str]) -> list[EntityId]:
    return [EntityId(definition.target.value.lower(), one) for one in ids]


async def _require_no_missing(reader: Reader, definition: FieldDefinition) -> None:
    found = await definitions.without_value(reader, definition, limit=MAX_NAMED + 1)
    if found:
        raise FieldRequired(
            f"{noun_of(definition)} without {quoted(definition.key)} exist, so it cannot be required: "
            f"{listed(found, MAX_NAMED)}. Give them a value first.",
            key=definition.key,
            mentioned=_entity_ids(definition, found),
            offenders=_entity_ids(definition, found[:MAX_NAMED]),
        )


async def require_no_duplicates(reader: Reader, definition: FieldDefinition) -> None:
    found = await definitions.duplicates(reader, definition, limit=MAX_NAMED)
    if found:
        holders = _entity_ids(definition, [holder for _, ids in found for holder in ids])
        named = "; ".join(f"{quoted(value)} by {listed(ids, 3)}" for value, ids in found)
        raise Duplicate(
            f"{quoted(definition.key)} cannot be unique: several {noun_of(definition).lower()} hold the same value: "
            f"{named}.",
            key=definition.key,
            mentioned=holders,
            offenders=holders[:MAX_NAMED],
        )


async def _require_no_invalid(reader: Reader, definition: FieldDefinition) -> None:
    found: list[str] = []
    expected: object = None
    loop = asyncio.get_running_loop()
    pause_at = loop.time() + YIELD_SECONDS
    async for entity_id, value in definitions.iterate_values(reader, definition):
        if loop.time() > pause_at:
            await asyncio.sleep(0)
            pause_at = loop.time() + YIELD_SECONDS
        try:
            values.check(definition, value)
        except InvalidFieldValue as error:
            found.append(entity_id)
            expected = error.data["expected"]
        if len(found) > MAX_NAMED:
            break
    if found:
        raise InvalidFieldValue(
            f"Values of {quoted(definition.key)} that are held already break the new rule: {listed(found, MAX_NAMED)}.",
            key=definition.key,
            expected=str(expected),
            mentioned=_entity_ids(definition, found),
            offenders=_entity_ids(definition, found[:MAX_NAMED]),
        )
