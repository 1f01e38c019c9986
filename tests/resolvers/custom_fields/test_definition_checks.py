"""Valid and invalid definitions of custom fields."""

from typing import Any

import pytest

from resolvers.custom_fields.definition_checks import check_definition
from storage.errors import Invalid
from storage.records import FieldDefinition, FieldTarget, FieldType


def define(kind: FieldType = FieldType.TEXT, key: str = "f", label: str = "F", **rules: Any) -> FieldDefinition:
    return FieldDefinition(id="F", target=FieldTarget.USER, key=key, type=kind, label=label, **rules)


@pytest.mark.parametrize(
    "definition",
    [
        define(key="a"),
        define(key="Case_Id-2" + "x" * 55),
        define(label="Ünïcode \U0001f600"),
        define(pattern="[a-z]{1,9}"),
        define(unique=True, required=True),
        define(FieldType.SELECT, options=("a", "$b", "c.d")),
        define(FieldType.MULTI_SELECT, options=tuple(str(number) for number in range(200))),
    ],
)
def test_valid_definitions_are_accepted(definition: FieldDefinition) -> None:
    check_definition(definition)


@pytest.mark.parametrize(
    ("definition", "key", "message"),
    [
        (define(key=""), "key", 'A key is 1 to 64 letters (a to z), digits, _ and -; "" is not.'),
        (define(key="a.b"), "key", 'A key is 1 to 64 letters (a to z), digits, _ and -; "a.b" is not.'),
        (define(key="$where"), "key", 'A key is 1 to 64 letters (a to z), digits, _ and -; "$where" is not.'),
        (define(key="a\n"), "key", 'A key is 1 to 64 letters (a to z), digits, _ and -; "a\\u000a" is not.'),
        (define(key="é"), "key", 'A key is 1 to 64 letters (a to z), digits, _ and -; "é" is not.'),
        (define(key="x" * 65), "key", None),
        (define(label=""), "label", "A label has 1 to 200 characters, not 0."),
        (define(label="x" * 201), "label", "A label has 1 to 200 characters, not 201."),
        (define(label="\udfff"), "label", 'A label has no unpaired surrogates; "\\udfff" has.'),
        (define(options=("a",)), "options", "Options are for SELECT and MULTI_SELECT, not for TEXT."),
        (define(FieldType.SELECT), "options", "A SELECT has 1 to 200 options, not 0."),
        (define(FieldType.SELECT, options=("a", "")), "options", "An option has 1 to 128 characters, not 0."),
        (define(FieldType.SELECT, options=("a", "b", "a")), "options", 'The option "a" is given twice.'),
        (define(FieldType.SELECT, options=("a\0b",)), "options", None),
        (define(FieldType.SELECT, options=("x" * 129,)), "options", "An option has 1 to 128 characters, not 129."),
        (define(FieldType.NUMBER, pattern="a"), "pattern", "A pattern is for TEXT, not for NUMBER."),
        (define(pattern="("), "pattern", "The pattern is not an RE2 expression: missing ): (."),
        (define(pattern=""), "pattern", "A pattern has 1 to 512 characters, not 0."),
        (define(pattern="x" * 513), "pattern", "A pattern has 1 to 512 characters, not 513."),
        (define(pattern="(?=a)"), "pattern", None),
        (define(pattern="(a{1000}){1000}"), "pattern", None),
        (
            define(pattern="(?:[a-z]*[^q]?){300}z"),
            "pattern",
            "The pattern is too slow to match: repeat a smaller part, or use smaller numbers in {n}.",
        ),
        (define(FieldType.MULTI_SELECT, options=("a",), unique=True), "unique", "A MULTI_SELECT cannot be unique."),
    ],
)
def test_invalid_definitions_are_refused_with_the_argument(
    definition: FieldDefinition, key: str, message: str | None
) -> None:
    with pytest.raises(Invalid) as refused:
        check_definition(definition)

    assert refused.value.data == {"key": key}
    assert message is None or refused.value.message == message
