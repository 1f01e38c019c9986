import pytest

from server.auth.bearer_tokens import token_in_header, token_in_payload
from storage.errors import Unauthenticated


@pytest.mark.parametrize("value", ["Bearer abc", "bearer abc", "  BEARER   abc  "])
def test_token_follows_the_scheme(value: str) -> None:
    assert token_in_header(value) == "abc"


@pytest.mark.parametrize("value", ["", "  ", "Bearer", "Bearer "])
def test_header_without_a_token_is_none(value: str) -> None:
    assert token_in_header(value) is None


@pytest.mark.parametrize("value", ["abc", "Basic abc", "Bearerabc"])
def test_other_schemes_are_refused(value: str) -> None:
    with pytest.raises(Unauthenticated, match="Bearer TOKEN"):
        token_in_header(value)


@pytest.mark.parametrize(
    ("payload", "token"),
    [
        ({}, None),
        ({"authorization": None}, None),
        ({"headers": "x"}, None),
        ({"aUTHORIZATION": "Bearer abc"}, "abc"),
        ({"headers": {"authorization": "Bearer abc"}}, "abc"),
        ({"Authorization": "Bearer abc", "headers": {"authorization": "Bearer other"}}, "abc"),
    ],
)
def test_payload_carries_the_header(payload: dict[str, object], token: str | None) -> None:
    assert token_in_payload(payload) == token


def test_payload_with_another_kind_of_value_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        token_in_payload({"authorization": ["Bearer abc"]})
