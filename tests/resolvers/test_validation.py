import pytest

from resolvers import validation
from storage.errors import Invalid


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), ("é", '"é"'), ({"$a.b": [1, 2.5]}, '{"$a.b":[1,2.5]}'), (nested(2), "[[1]]")],
)
def test_json_value_is_stored_as_compact_text(value: object, text: str) -> None:
    assert validation.json_text(value, "data") == text


def test_json_value_has_at_most_16_kib_as_text() -> None:
    assert len(validation.json_text("é" * 8_191, "data").encode()) == validation.MAX_JSON_BYTES

    with pytest.raises(Invalid, match="data takes 16,385 bytes as JSON; at most 16,384 are allowed") as refusal:
        validation.json_text("é" * 8_191 + "a", "data")
    assert refusal.value.data == {"key": "data"}


def test_json_value_is_nested_at_most_64_levels_deep() -> None:
    assert validation.json_text(nested(64), "data") == "[" * 64 + "1" + "]" * 64

    for levels in (65, 8_000):
        with pytest.raises(Invalid, match="data is nested too deep; at most 64 levels are allowed"):
            validation.json_text(nested(levels), "data")


@pytest.mark.parametrize("value", ["\ud800", {"\ud800": 1}, float("inf"), float("nan")])
def test_values_without_a_json_text_are_refused(value: object) -> None:
    with pytest.raises(Invalid, match="neither is JSON"):
        validation.json_text([value], "data")
