"""Validation of custom field values. Every operation that writes values calls `assign`.

definition_checks.py validates definitions, and filter_binding.py the values in filters.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

from msgspec import UNSET

from resolvers.custom_fields import patterns
from storage.errors import FieldRequired, Invalid, InvalidFieldValue, UnknownField, listed, quoted
from storage.records import FieldDefinition, FieldType, FieldValue, Record

MAX_TEXT_CHARACTERS = 4096
#: The largest integer that JavaScript represents exactly.
MAX_WHOLE_NUMBER = 2**53 - 1

_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:([Zz])|([+-](?:[01]\d|2[0-3]):[0-5]\d))", re.ASCII
)


class FieldAssignment(Record, frozen=True, kw_only=False):
    """A value from a client. None removes the field's value, and UNSET does not change it."""

    key: str
    value: object


class FieldIncrement(Record, frozen=True, kw_only=False):
    """A number to add to a NUMBER. A missing value counts as 0."""

    key: str
    by: float


def assign(
    current: Mapping[str, FieldValue],
    assignments: Sequence[FieldAssignment],
    *,
    increments: Sequence[FieldIncrement] = (),
    definitions: Mapping[str, FieldDefinition],
    pending: Mapping[str, FieldDefinition] = MappingProxyType({}),
    creating: bool,
) -> dict[str, FieldValue]:
    """The custom fields of an entity after a mutation, by key. `definitions` are those of its target.

    Values must fit the definitions and the pending definitions.

    Raises UnknownField, InvalidFieldValue, FieldRequired, and Invalid for a key that is given twice.
    """
    changed: set[str] = set()
    fields = dict(current)
    for assignment in assignments:
        definition = _require_defined(assignment.key, definitions, changed)
        if assignment.value is UNSET:
            continue
        rules = [rule for rule in (definition, pending.get(definition.key)) if rule is not None]
        if assignment.value is not None:
            for rule in rules:
                fields[definition.key] = check(rule, assignment.value)
        elif any(rule.required for rule in rules):
            raise FieldRequired(f"Custom field {quoted(definition.key)} is required.", key=definition.key)
        else:
            fields.pop(definition.key, None)
    for increment in increments:
        definition = _require_defined(increment.key, definitions, changed)
        fields[definition.key] = _sum(definition, fields.get(definition.key, 0), increment.by)
    if creating:
        required = [one.key for one in (*definitions.values(), *pending.values()) if one.required]
        missing = [key for key in dict.fromkeys(required) if key not in fields]
        if missing:
            raise FieldRequired(f"Required custom fields are missing: {listed(missing)}.", key=missing[0])
    return fields


def check(definition: FieldDefinition, value: object) -> FieldValue:
    """Convert a value to its stored form and check it. Raises InvalidFieldValue."""
    subject = f"Custom field {quoted(definition.key)}"
    stored = convert(definition, value, subject=subject)
    pattern = definition.pattern
    if pattern is not None and isinstance(stored, str) and not patterns.matches_whole(pattern, stored):
        raise invalid_value_error(definition, value, subject=subject, expected=f"TEXT that matches {pattern}")
    return stored


def convert(definition: FieldDefinition, value: object, *, subject: str) -> FieldValue:
    """Convert a value to its stored form and check its type. Raises InvalidFieldValue.

    `subject` names the value in error messages.
    """
    return _CONVERTERS[definition.type](definition, value, subject)


def invalid_value_error(
    definition: FieldDefinition, value: object, *, subject: str, expected: str | None = None, hint: str = ""
) -> InvalidFieldValue:
    """`expected` is the field's type by default."""
    expected = expected or definition.type.value
    return InvalidFieldValue(
        f"{subject}: expected {expected}{hint}, got {describe(value)}.", key=definition.key, expected=expected
    )


def describe(value: object) -> str:
    """A client's value in an error message: shortened, with the name of its GraphQL type."""
    match value:
        case None:
            return "null"
        case bool():
            return f"{str(value).lower()} (Boolean)"
        case int() if value.bit_length() > 64:
            return f"a whole number of {value.bit_length()} bits"
        case int():
            return f"{value} (Int)"
        case float():
            return f"{value} (Float)"
        case str():
            return f"{quoted(value)} (String)"
        case list() | tuple():
            return f"a list of {len(value)}"
    return "an object"


def is_encodable(text: str) -> bool:
    """Whether UTF-8 can encode the text: it has no unpaired surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# ---------------------------------------------------------------- changes


def _require_defined(key: str, definitions: Mapping[str, FieldDefinition], changed: set[str]) -> FieldDefinition:
    definition = definitions.get(key)
    if definition is None:
        raise unknown_field_error(key, definitions)
    if key in changed:
        raise Invalid(f"Custom field {quoted(key)} is given twice.", key=key)
    changed.add(key)
    return definition


def unknown_field_error(key: str, definitions: Collection[str], *, subject: str = "") -> UnknownField:
    defined = f"defined are {listed(sorted(definitions))}" if definitions else "none is defined"
    return UnknownField(f"{subject}There is no custom field {quoted(key)} here; {defined}.", key=key)


def _sum(definition: FieldDefinition, current: FieldValue, by: float) -> FieldValue:
    subject = f"Increment of custom field {quoted(definition.key)}"
    if definition.type is not FieldType.NUMBER:
        message = f"{subject}: only a NUMBER can be incremented, and the field is a {definition.type.value}."
        raise InvalidFieldValue(message, key=definition.key, expected=FieldType.NUMBER.value)
    added = convert(definition, by, subject=subject)
    assert isinstance(current, int | float)
    assert isinstance(added, int | float)
    if isinstance(current, int) and added == int(added):
        added = int(added)  # GraphQL sends 1 as 1.0; the sum of integers is an integer
    return convert(definition, current + added, subject=f"{subject}, the result")


# ---------------------------------------------------------------- types


def _text(definition: FieldDefinition, value: object, subject: str) -> FieldValue:
    if not isinstance(value, str):
        raise invalid_value_error(definition, value, subject=subject)
    if len(value) > MAX_TEXT_CHARACTERS:
        expected = f"TEXT of at most {MAX_TEXT_CHARACTERS} characters"
        raise invalid_value_error(definition, value, subject=subject, expected=expected)
    if not is_encodable(value):
        raise invalid_value_error(definition, value, subject=subject, expected="TEXT without unpaired surrogates")
    return value


def _number(definition: FieldDefinition, value: object, subject: str) -> FieldValue:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid_value_error(definition, value, subject=subject)
    if isinstance(value, float) and not math.isfinite(value):
        raise invalid_value_error(definition, value, subject=subject, expected="NUMBER that is finite")
    # A larger float represents several integers, and adding to it may change nothing.
    if abs(value) > MAX_WHOLE_NUMBER:
        expected = f"NUMBER from -{MAX_WHOLE_NUMBER} to {MAX_WHOLE_NUMBER}"
        raise invalid_value_error(definition, value, subject=subject, expected=expected)
    return value


def _boolean(definition: FieldDefinition, value: object, subject: str) -> FieldValue:
    if not isinstance(value, bool):
        raise invalid_value_error(definition, value, subject=subject)
    return value


def _instant(definition: FieldDefinition, value: object, subject: str) -> FieldValue:
    instant = parse_instant(value) if isinstance(value, str) else None
    if instant is None:
        raise invalid_value_error(definition, value, subject=subject, hint=" (RFC 3339, such as 2026-01-31T12:00:00Z)")
    return instant


def _option(definition: FieldDefinition, value: object, subject: str) -> FieldValue:
    if not isinstance(value, str):
        raise invalid_value_error(definition, value, subject=subject)
    if value not in definition.options:
        expected = f"{definition.type.value} of {listed(definition.options)}"
        raise invalid_value_error(definition, value, subject=subject, expected=expected)
    return value


def _options(definition: FieldDefinition, value: object, subject: str) -> FieldValue:
    if not isinstance(value, list | tuple):
        raise invalid_value_error(definition, value, subject=subject, hint=" (a list of options)")
    return sorted({str(_option(definition, option, subject)) for option in value})


def parse_instant(text: str) -> datetime | None:
    """Parse an RFC 3339 string as a time in UTC, truncated to milliseconds. None if it is not one."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        return None
    date, time, fraction, _, offset = found.groups()
    milliseconds = (fraction or "")[:3].ljust(3, "0")
    try:
        return datetime.fromisoformat(f"{date}T{time}.{milliseconds}{offset or '+00:00'}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_CONVERTERS = {
    FieldType.TEXT: _text,
    FieldType.NUMBER: _number,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATETIME: _instant,
    FieldType.SELECT: _option,
    FieldType.MULTI_SELECT: _options,
}


def other_assignments(
    definition: FieldDefinition, value: FieldValue, assignments: Sequence[FieldAssignment], *, noun: str
) -> list[FieldAssignment]:
    """The assignments to fields other than `definition`, whose value identifies an entity.

    Raises Invalid if one assigns another value to that field. `noun`: the word for the entity.
    """
    subject = f"Custom field {quoted(definition.key)}"
    for assignment in assignments:
        if assignment.key != definition.key or assignment.value is UNSET:
            continue
        if assignment.value is None or convert(definition, assignment.value, subject=subject) != value:
            raise Invalid(
                f"{subject} identifies the {noun}, so customFields cannot give it another value.", key=definition.key
            )
    return [assignment for assignment in assignments if assignment.key != definition.key]
