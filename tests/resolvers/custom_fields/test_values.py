"""Valid and invalid values of custom fields, and how changes are merged into the current values."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import UNSET

from resolvers.custom_fields.values import FieldAssignment, FieldIncrement, assign, check, parse_instant
from storage.errors import FieldRequired, Invalid, InvalidFieldValue, UnknownField
from storage.records import FieldDefinition, FieldTarget, FieldType, FieldValue


def define(kind: FieldType, key: str = "f", **rules: Any) -> FieldDefinition:
    return FieldDefinition(id=f"F-{key}", target=FieldTarget.USER, key=key, type=kind, label=key, **rules)


COUNT = define(FieldType.NUMBER, "count")
NAME = define(FieldType.TEXT, "name")
OWNER = define(FieldType.TEXT, "owner", required=True)
DEFINITIONS = {one.key: one for one in (COUNT, NAME)}


def change(
    current: dict[str, FieldValue],
    *assignments: tuple[str, object],
    increments: tuple[tuple[str, float], ...] = (),
    required: bool = False,
    creating: bool = False,
) -> dict[str, FieldValue]:
    return assign(
        current,
        [FieldAssignment(key, value) for key, value in assignments],
        increments=[FieldIncrement(key, by) for key, by in increments],
        definitions={**DEFINITIONS, "owner": OWNER} if required else DEFINITIONS,
        creating=creating,
    )


# ---------------------------------------------------------------- changes


def test_a_change_merges_key_by_key() -> None:
    current: dict[str, FieldValue] = {"name": "Ada", "count": 1}

    after = change(current, ("count", 2))

    assert after == {"name": "Ada", "count": 2}
    assert current == {"name": "Ada", "count": 1}


def test_null_removes_a_value_if_there_is_one() -> None:
    assert change({"name": "Ada", "count": 1}, ("name", None)) == {"count": 1}
    assert change({"count": 1}, ("name", None)) == {"count": 1}


def test_an_assignment_without_a_value_changes_nothing() -> None:
    assert change({"name": "Ada", "count": 1}, ("name", UNSET)) == {"name": "Ada", "count": 1}
    assert change({"owner": "Ada"}, ("owner", UNSET), required=True) == {"owner": "Ada"}
    with pytest.raises(FieldRequired):
        change({}, ("owner", UNSET), required=True, creating=True)


@pytest.mark.parametrize("value", ["x", None, UNSET])
def test_an_unknown_key_is_refused(value: object) -> None:
    with pytest.raises(UnknownField) as refused:
        change({}, ("$where", value))

    assert refused.value.data == {"key": "$where"}
    assert refused.value.message == 'There is no custom field "$where" here; defined are "count", "name".'


def test_a_key_given_twice_is_refused() -> None:
    with pytest.raises(Invalid, match="given twice") as refused:
        change({}, ("name", "a"), ("name", "b"))
    assert refused.value.data == {"key": "name"}

    with pytest.raises(Invalid, match="given twice"):
        change({}, ("count", 1), increments=(("count", 1),))


def test_a_required_field_needs_a_value_at_creation_and_keeps_one() -> None:
    assert change({}, ("owner", "Ada"), required=True, creating=True) == {"owner": "Ada"}
    assert change({"owner": "Ada"}, ("name", "x"), required=True) == {"owner": "Ada", "name": "x"}
    for creating, assignments in ((True, ()), (True, (("owner", None),)), (False, (("owner", None),))):
        with pytest.raises(FieldRequired) as refused:
            change({"owner": "Ada"} if not creating else {}, *assignments, required=True, creating=creating)
        assert refused.value.data == {"key": "owner"}


@pytest.mark.parametrize(
    ("held", "by", "expected"),
    [
        (None, 1.0, 1),
        (None, 0.5, 0.5),
        (2, 3.0, 5),
        (2, -3.0, -1),
        (2, 0.5, 2.5),
        (2.5, 0.5, 3.0),
        (2**53 - 2, 1.0, 2**53 - 1),
    ],
)
def test_an_increment_adds_to_the_value_and_missing_counts_as_0(held: float | None, by: float, expected: float) -> None:
    after = change({} if held is None else {"count": held}, increments=(("count", by),))

    assert after == {"count": expected}
    assert type(after["count"]) is type(expected)


@pytest.mark.parametrize(
    ("held", "by"),
    [
        (2**53 - 1, 1.0),
        (2**53 - 1, 0.5),
        (2.0**53 - 1, 1.0),
        (1, 2.0**53),
        (-1, -(2.0**53)),
        (5, 1e300),
        (0, float("nan")),
        (0, float("inf")),
    ],
)
def test_an_increment_beyond_the_range_of_numbers_is_refused(held: float, by: float) -> None:
    with pytest.raises(InvalidFieldValue) as refused:
        change({"count": held}, increments=(("count", by),))

    assert refused.value.data["key"] == "count"


def test_only_numbers_are_incremented() -> None:
    with pytest.raises(InvalidFieldValue) as refused:
        change({}, increments=(("name", 1),))

    assert refused.value.data == {"key": "name", "expected": "NUMBER"}


# ---------------------------------------------------------------- values

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("definition", "value", "held"),
    [
        (define(FieldType.TEXT), "", ""),
        (define(FieldType.TEXT), "a\0b 𝒳 $where", "a\0b 𝒳 $where"),
        (define(FieldType.TEXT), "x" * 4096, "x" * 4096),
        (define(FieldType.TEXT, pattern=r"\d+"), "42", "42"),
        (define(FieldType.NUMBER), 2**53 - 1, 2**53 - 1),
        (define(FieldType.NUMBER), 1.5, 1.5),
        (define(FieldType.BOOLEAN), False, False),
        (define(FieldType.DATETIME), "2026-01-31T14:00:00+02:00", NOON),
        (define(FieldType.SELECT, options=("b", "a")), "a", "a"),
        (define(FieldType.MULTI_SELECT, options=("b", "a")), ["b", "a", "b"], ["a", "b"]),
        (define(FieldType.MULTI_SELECT, options=("b", "a")), [], []),
    ],
)
def test_a_valid_value_is_accepted(definition: FieldDefinition, value: object, held: object) -> None:
    assert check(definition, value) == held


@pytest.mark.parametrize(
    ("definition", "value", "expected", "got"),
    [
        (define(FieldType.TEXT), 5, "TEXT", "5 (Int)"),
        (define(FieldType.TEXT), ["a"], "TEXT", "a list of 1"),
        (define(FieldType.TEXT), {"$gt": ""}, "TEXT", "an object"),
        (define(FieldType.TEXT), "x" * 4097, "TEXT of at most 4096 characters", '"' + "x" * 79 + '…" (String)'),
        (define(FieldType.TEXT), "\ud800", "TEXT without unpaired surrogates", '"\\ud800" (String)'),
        (define(FieldType.TEXT, pattern=r"\d+"), "4x", r"TEXT that matches \d+", '"4x" (String)'),
        (define(FieldType.TEXT, pattern="a|b"), "ac", "TEXT that matches a|b", '"ac" (String)'),
        (define(FieldType.NUMBER), "5", "NUMBER", '"5" (String)'),
        (define(FieldType.NUMBER), True, "NUMBER", "true (Boolean)"),
        (define(FieldType.NUMBER), float("nan"), "NUMBER that is finite", "nan (Float)"),
        (
            define(FieldType.NUMBER),
            2**53,
            "NUMBER from -9007199254740991 to 9007199254740991",
            "9007199254740992 (Int)",
        ),
        (
            define(FieldType.NUMBER),
            -(2.0**53),
            "NUMBER from -9007199254740991 to 9007199254740991",
            "-9007199254740992.0 (Float)",
        ),
        (define(FieldType.BOOLEAN), 1, "BOOLEAN", "1 (Int)"),
        (define(FieldType.SELECT, options=("a", "b")), "c", 'SELECT of "a", "b"', '"c" (String)'),
        (define(FieldType.SELECT, options=("a", "b")), ["a"], "SELECT", "a list of 1"),
        (define(FieldType.MULTI_SELECT, options=("a", "b")), ["a", "c"], 'MULTI_SELECT of "a", "b"', '"c" (String)'),
        (define(FieldType.MULTI_SELECT, options=("a", "b")), [None], "MULTI_SELECT", "null"),
    ],
)
def test_a_refusal_names_key_type_and_value(
    definition: FieldDefinition, value: object, expected: str, got: str
) -> None:
    with pytest.raises(InvalidFieldValue) as refused:
        check(definition, value)

    assert refused.value.data == {"key": "f", "expected": expected}
    assert refused.value.message == f'Custom field "f": expected {expected}, got {got}.'


def test_a_multi_select_needs_a_list() -> None:
    with pytest.raises(InvalidFieldValue) as refused:
        check(define(FieldType.MULTI_SELECT, options=("a",)), "a")

    assert refused.value.data["expected"] == "MULTI_SELECT"
    assert refused.value.message == 'Custom field "f": expected MULTI_SELECT (a list of options), got "a" (String).'


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31t12:00:00z", NOON),
        ("2026-01-31T12:00:00.5Z", NOON.replace(microsecond=500_000)),
        ("2026-01-31T12:00:00.123999999Z", NOON.replace(microsecond=123_000)),
        ("2026-01-31T12:00:00.1239999999999999Z", NOON.replace(microsecond=123_000)),
        ("2026-01-31T06:30:00-05:30", NOON),
    ],
)
def test_an_instant_is_rfc_3339_to_the_millisecond(text: str, instant: datetime) -> None:
    assert parse_instant(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31",
        "2026-01-31T12:00:00",  # no offset
        "2026-01-31 12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:00:60Z",
        "2026-01-31T12:00:00+2400",
        "2026-01-31T12:00:00Z\n",
        "２026-01-31T12:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    ],
)
def test_other_formats_of_instants_are_refused(text: str) -> None:
    assert parse_instant(text) is None
    with pytest.raises(InvalidFieldValue) as refused:
        check(define(FieldType.DATETIME), text)
    assert refused.value.data == {"key": "f", "expected": "DATETIME"}
