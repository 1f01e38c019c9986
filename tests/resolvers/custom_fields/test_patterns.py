"""Which patterns are RE2 expressions, and which of them match any text without stalling the server."""

import pytest

from resolvers.custom_fields import patterns


@pytest.mark.parametrize(
    "expression",
    [
        "(x+x+)+y",
        ".{1,100}",
        r"\pL+",
        r"[\w .-]{1,50}",
        r"[^@\s]+@[^@\s]+\.[a-z]{2,63}",
        r"\x{4e00}{1,30}",
        "[é-大]{1,20}",
    ],
)
def test_an_ordinary_pattern_is_matched_fast(expression: str) -> None:
    assert not patterns.is_slow(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "(?:[a-z]*[^q]?){300}z",
        "[ab]*a[ab]{990}",
        "(?:.{1,330}[^q])+q",
        ".*[^q].{200}",
        r"\pL{1,5}",
        r"\x{4e00}{1,990}",
        "(?:[é-大]?){200}q",
    ],
)
def test_the_worst_pattern_does_not_stall(expression: str) -> None:
    patterns.check(expression)

    assert patterns.is_slow(expression)


def test_the_whole_text_must_match() -> None:
    assert patterns.matches_whole("a|ab", "ab")
    assert not patterns.matches_whole("a", "ab")
