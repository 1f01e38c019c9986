from datetime import UTC, datetime, timedelta, timezone

import pytest
from graphql import GraphQLError, parse_value

from schema.base.scalars import (
    JSON,
    SCALARS,
    format_field_value,
    format_time,
    parse_cursor,
    parse_field_value,
    parse_field_value_literal,
    parse_long,
    parse_time,
)

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NOON, "2030-01-31T12:00:00Z"),
        (NOON.replace(microsecond=250_000), "2030-01-31T12:00:00.250Z"),
        (NOON.replace(microsecond=999), "2030-01-31T12:00:00Z"),
        (datetime(2030, 1, 31, 14, tzinfo=timezone(timedelta(hours=2))), "2030-01-31T12:00:00Z"),
    ],
)
def test_time_is_written_in_utc_with_no_or_three_digits_of_fraction(value: datetime, text: str) -> None:
    assert format_time(value) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2030-01-31T12:00:00Z", NOON),
        ("2030-01-31T12:00:00.25Z", NOON.replace(microsecond=250_000)),
        ("2030-01-31T12:00:00.250999Z", NOON.replace(microsecond=250_000)),
        ("2030-01-31T14:00:00+02:00", NOON),
    ],
)
def test_time_is_read_to_the_millisecond(text: str, value: datetime) -> None:
    assert parse_time(text) == value


@pytest.mark.parametrize(
    "value", ["", "2030-01-31", "2030-01-31T12:00:00", "2030-02-30T12:00:00Z", "2030-01-31 12:00:00Z", 5, None, True]
)
def test_time_must_be_an_rfc_3339_text(value: object) -> None:
    with pytest.raises(GraphQLError):
        parse_time(value)


def test_long_is_an_integer_below_two_to_the_power_of_53() -> None:
    assert parse_long(2**53 - 1) == 2**53 - 1
    for value in (2**53, True, 1.0, "1"):
        with pytest.raises(GraphQLError):
            parse_long(value)


def test_cursor_is_text() -> None:
    assert parse_cursor("kqFlBQ") == "kqFlBQ"
    with pytest.raises(GraphQLError):
        parse_cursor(5)


@pytest.mark.parametrize("value", ["text", 5, 2.5, True, ["a", "b"], []])
def test_field_value_is_parsed_unchanged(value: object) -> None:
    assert parse_field_value(value) == value


@pytest.mark.parametrize("value", [{"$gt": 1}, [1], ["a", None], [["a"]], float("nan"), float("inf"), None])
def test_field_value_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(GraphQLError):
        parse_field_value(value)


@pytest.mark.parametrize("literal", ["NAME", "[NAME]", '["a", NAME]', '{a: "b"}', "[1]"])
def test_literal_of_a_field_value_contains_no_enum_value(literal: str) -> None:
    with pytest.raises(GraphQLError):
        parse_field_value_literal(parse_value(literal))


def test_field_value_that_is_a_time_is_written_as_rfc_3339() -> None:
    assert format_field_value(NOON) == "2030-01-31T12:00:00Z"


@pytest.mark.parametrize("value", [None, True, 5, 2.5, "text", ["a", {"b": [None]}], {"$gt": {"a.b": 1}}])
def test_json_is_parsed_and_serialized_unchanged(value: object) -> None:
    assert SCALARS[JSON].parse_value(value) == value  # type: ignore[misc]
    assert SCALARS[JSON].serialize(value) == value  # type: ignore[misc]
