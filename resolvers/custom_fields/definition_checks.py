"""Validation of definitions of custom fields. values.py validates values."""

import re

from resolvers import names
from resolvers.custom_fields import patterns
from resolvers.custom_fields.values import is_encodable
from storage.errors import Invalid, quoted
from storage.mongo.field_encoding import SEPARATOR
from storage.records import FieldDefinition, FieldType

MAX_LABEL_CHARACTERS = 200
MAX_OPTIONS = 200
MAX_OPTION_CHARACTERS = 128
MAX_PATTERN_CHARACTERS = 512

_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WITH_OPTIONS = frozenset({FieldType.SELECT, FieldType.MULTI_SELECT})


def check_definition(definition: FieldDefinition, *, before: FieldDefinition | None = None) -> None:
    """Raise Invalid, with the argument as its key, unless the definition is valid.

    Labels and options that the definition had `before` may be older than the rule for names, and are not checked by it.
    """
    if not _KEY.fullmatch(definition.key):
        raise Invalid(
            f"A key is 1 to 64 letters (a to z), digits, _ and -; {quoted(definition.key)} is not.", key="key"
        )
    _check_length(definition.label, MAX_LABEL_CHARACTERS, noun="A label", key="label")
    if before is None or definition.label != before.label:
        names.check(definition.label, "label")
    if definition.unique and definition.type is FieldType.MULTI_SELECT:
        raise Invalid("A MULTI_SELECT cannot be unique.", key="unique")
    for option in definition.options:
        if before is None or option not in before.options:
            names.check(option, "options")
    _check_options(definition)
    if definition.pattern is not None:
        _check_pattern(definition.type, definition.pattern)


def _check_options(definition: FieldDefinition) -> None:
    options, kind = definition.options, definition.type
    if kind not in _WITH_OPTIONS:
        if options:
            raise Invalid(f"Options are for SELECT and MULTI_SELECT, not for {kind.value}.", key="options")
        return
    if not 1 <= len(options) <= MAX_OPTIONS:
        raise Invalid(f"A {kind.value} has 1 to {MAX_OPTIONS} options, not {len(options)}.", key="options")
    for option in options:
        _check_length(option, MAX_OPTION_CHARACTERS, noun="An option", key="options")
        if SEPARATOR in option:
            raise Invalid(f"An option has no NUL character; {quoted(option)} has.", key="options")
    if len(set(options)) < len(options):
        twice = next(option for option in options if options.count(option) > 1)
        raise Invalid(f"The option {quoted(twice)} is given twice.", key="options")


def _check_pattern(kind: FieldType, expression: str) -> None:
    if kind is not FieldType.TEXT:
        raise Invalid(f"A pattern is for TEXT, not for {kind.value}.", key="pattern")
    _check_length(expression, MAX_PATTERN_CHARACTERS, noun="A pattern", key="pattern")
    try:
        patterns.check(expression)
    except ValueError as error:
        raise Invalid(f"The pattern is not an RE2 expression: {error}.", key="pattern") from None
    if patterns.is_slow(expression):
        raise Invalid(
            "The pattern is too slow to match: repeat a smaller part, or use smaller numbers in {n}.",
            key="pattern",
        )


def _check_length(text: str, limit: int, *, noun: str, key: str) -> None:
    if not 1 <= len(text) <= limit:
        raise Invalid(f"{noun} has 1 to {limit} characters, not {len(text)}.", key=key)
    if not is_encodable(text):
        raise Invalid(f"{noun} has no unpaired surrogates; {quoted(text)} has.", key=key)
