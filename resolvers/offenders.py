"""Who stands in the way of a new rule: what is held already, and does not fit a definition that is to be."""

import asyncio

from resolvers import field_values
from storage import custom_fields
from storage.errors import Duplicate, FieldRequired, InvalidFieldValue, shorten, some_of
from storage.records import FieldDefinition
from storage.transactions import Reader

#: How many offenders a refusal names.
NAMED = 5
#: How long to look at values that have come already before everybody else has a turn.
BUSY_SECONDS = 0.003


def is_tighter(before: FieldDefinition, after: FieldDefinition) -> bool:
    """Whether something fits the definition of before and not the one of after, uniqueness apart."""
    return (after.required and not before.required) or _is_narrower(before, after)


async def refuse(reader: Reader, before: FieldDefinition, after: FieldDefinition) -> None:
    """Raise FieldRequired or InvalidFieldValue, with the first offenders, when there are any.

    All offenders are seen that were written before this began.
    """
    if after.required and not before.required:
        await _refuse_missing(reader, after)
    if _is_narrower(before, after):
        await _refuse_misfits(reader, after)


def _is_narrower(before: FieldDefinition, after: FieldDefinition) -> bool:
    pattern = after.pattern if after.pattern != before.pattern else None
    return pattern is not None or bool(set(before.options) - set(after.options))


def holders(definition: FieldDefinition) -> str:
    return f"{definition.target.value.capitalize()}s"


async def _refuse_missing(reader: Reader, definition: FieldDefinition) -> None:
    found = await custom_fields.without_value(reader, definition, limit=NAMED + 1)
    if found:
        raise FieldRequired(
            f"{holders(definition)} without {shorten(definition.key)} exist, so it cannot be required: "
            f"{some_of(found, NAMED)}. Give them a value first.",
            key=definition.key,
            offenders=found[:NAMED],
        )


async def refuse_duplicates(reader: Reader, definition: FieldDefinition) -> None:
    found = await custom_fields.duplicates(reader, definition, limit=NAMED)
    if found:
        named = "; ".join(f"{shorten(value)} by {some_of(ids, 3)}" for value, ids in found)
        raise Duplicate(
            f"{shorten(definition.key)} cannot be unique: several {holders(definition).lower()} hold the same value: "
            f"{named}.",
            key=definition.key,
            offenders=[holder for _, ids in found for holder in ids][:NAMED],
        )


async def _refuse_misfits(reader: Reader, definition: FieldDefinition) -> None:
    found: list[str] = []
    expected: object = None
    loop = asyncio.get_running_loop()
    pause_at = loop.time() + BUSY_SECONDS
    async for holder, value in custom_fields.iterate_values(reader, definition):
        if loop.time() > pause_at:
            await asyncio.sleep(0)
            pause_at = loop.time() + BUSY_SECONDS
        try:
            field_values.check(definition, value)
        except InvalidFieldValue as error:
            found.append(holder)
            expected = error.data["expected"]
        if len(found) > NAMED:
            break
    if found:
        raise InvalidFieldValue(
            f"Values of {shorten(definition.key)} that are held already break the new rule: {some_of(found, NAMED)}.",
            key=definition.key,
            expected=str(expected),
            offenders=found[:NAMED],
        )
