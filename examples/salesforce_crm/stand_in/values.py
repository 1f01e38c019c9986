"""Ids, dates and JSON as Salesforce writes them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

#: An object of JSON.
JSON = dict[str, Any]

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def long_id(short: str) -> str:
    """The 18 characters of an id of 15: the last three tell which letters are upper case."""
    suffix = ""
    for start in (0, 5, 10):
        bits = sum(1 << place for place, letter in enumerate(short[start : start + 5]) if letter.isupper())
        suffix += ALPHABET[bits]
    return short + suffix


def parse_id(text: object) -> str | None:
    """The id with 18 characters, or None if the text is no id."""
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9]{15}([A-Za-z0-9]{3})?", text):
        return None
    whole = long_id(text[:15])
    return whole if len(text) == 15 or text[15:].upper() == whole[15:] else None


class IdSource:
    """Creates the ids of records. Each object has ids with its own prefix."""

    def __init__(self) -> None:
        self._numbers: Iterator[int] = count(1)

    def create(self, prefix: str) -> str:
        number, text = next(self._numbers), ""
        while number:
            number, digit = divmod(number, len(DIGITS))
            text = DIGITS[digit] + text
        return long_id(prefix + "Ws" + text.rjust(10, "0"))


def now() -> str:
    return format_datetime(datetime.now(UTC))


def format_datetime(moment: datetime) -> str:
    """A datetime as REST responses contain it: 2026-11-29T14:30:00.000+0000."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


def parse_datetime(text: str) -> datetime | None:
    """The datetime that a request contains, or None if Salesforce would not read it."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)", text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
