"""Checks of input values: texts, names, addresses and numbers, each with a bound."""

import json
import re
from collections.abc import Sequence
from typing import TypeVar

from msgspec import UNSET, UnsetType

from resolvers import names
from storage.errors import Invalid, quoted
from storage.mongo.pagination import PageRequest

T = TypeVar("T")

MAX_NAME_CHARACTERS = 128
MAX_TEXT_CHARACTERS = 1_000
MAX_LIST_ITEMS = 100
#: The longest JSON value, as compact UTF-8 text, and its deepest nesting.
MAX_JSON_BYTES = 16 * 1024
MAX_JSON_DEPTH = 64
#: The largest value of GraphQL's Int.
MAX_INT = 2**31 - 1
MAX_PAGE_SIZE = 200
DEFAULT_PAGE_SIZE = 50

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_WHITE_SPACE = re.compile(r"\s")


def text(value: str, key: str, *, max_characters: int = MAX_TEXT_CHARACTERS) -> str:
    """The text. Raises Invalid if it is blank, is longer than `max_characters`, or has a lone surrogate."""
    if not 1 <= len(value) <= max_characters:
        got = "is empty" if not value else f"has {len(value)}"
        raise Invalid(f"{key} must have 1 to {max_characters} characters; this one {got}.", key=key)
    if not value.strip():
        raise Invalid(f"{key} must not be blank.", key=key)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Invalid(f"{key} contains half of a surrogate pair, which is not a character.", key=key) from None
    return value


def optional_text(value: str | None, key: str, *, max_characters: int = MAX_TEXT_CHARACTERS) -> str | None:
    """The text as `text` checks it, or None. An empty text is refused."""
    return None if value is None else text(value, key, max_characters=max_characters)


def name(value: str, key: str, *, max_characters: int = MAX_NAME_CHARACTERS) -> str:
    """The text in NFC. Raises Invalid for a character that names do not allow."""
    text(value, key, max_characters=max_characters)
    names.check(value, key)
    return names.normalised(value)


def optional_name(value: str | None, key: str, *, max_characters: int = MAX_NAME_CHARACTERS) -> str | None:
    """The name as `name` checks it, or None."""
    return None if value is None else name(value, key, max_characters=max_characters)


def not_null(value: T | UnsetType | None, key: str) -> T:
    """The value. Raises Invalid for null and for UNSET."""
    if value is None or value is UNSET:
        raise Invalid(f"{key} cannot be null; leave it out to keep it as it is.", key=key)
    return value


def username(value: str, key: str = "username") -> str:
    """A name of 1 to 64 characters without white space."""
    # Control characters are checked first, because that message names the character.
    value = name(value, key, max_characters=64)
    if _WHITE_SPACE.search(value):
        raise Invalid(f"{key} must not contain white space: {quoted(value)}.", key=key)
    return value


def emails(values: Sequence[str] | None, key: str = "emails") -> tuple[str, ...]:
    """Up to ten distinct addresses."""
    values = values or ()
    if len(values) > 10:
        raise Invalid(f"{key} takes up to 10 addresses; these are {len(values)}.", key=key)
    checked = tuple(email(value, key) for value in values)
    if len({value.casefold() for value in checked}) < len(checked):
        raise Invalid(f"{key} contains an address twice.", key=key)
    return checked


def email(value: str, key: str = "email") -> str:
    value = name(value, key, max_characters=254)
    if not _EMAIL.fullmatch(value):
        raise Invalid(f"{key} must look like name@example.org; {quoted(value)} does not.", key=key)
    return value


def number(value: int, key: str, *, minimum: int, maximum: int = MAX_INT) -> int:
    if not minimum <= value <= maximum:
        raise Invalid(f"{key} must be {minimum} to {maximum}; it is {value}.", key=key)
    return value


def page_size(size: int, key: str) -> int:
    return number(size, key, minimum=1, maximum=MAX_PAGE_SIZE)


def page(
    *, first: int | None = None, after: str | None = None, last: int | None = None, before: str | None = None
) -> PageRequest:
    """The page that these arguments name. Raises Invalid when they do not go together."""
    for given, one, other in (
        (first is not None and last is not None, "first", "last"),
        (first is not None and before is not None, "first", "before"),
        (last is not None and after is not None, "last", "after"),
        (after is not None and before is not None, "after", "before"),
    ):
        if given:
            raise Invalid(
                f"{one} and {other} are not given together: first and after go forwards, last and before backwards.",
                key=other,
            )
    backwards = last is not None or before is not None
    size, key = (last, "last") if backwards else (first, "first")
    size = DEFAULT_PAGE_SIZE if size is None else page_size(size, key)
    return PageRequest(size, before if backwards else after, backwards)


def json_text(value: object, key: str) -> str:
    """The JSON value as compact text. Raises Invalid if it is too long or nested too deep, or has no JSON text."""
    if _is_deeper(value, MAX_JSON_DEPTH):
        raise Invalid(f"{key} is nested too deep; at most {MAX_JSON_DEPTH} levels are allowed.", key=key)
    try:
        found = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(found.encode())
    except (UnicodeEncodeError, ValueError):
        raise Invalid(
            f"{key} contains half of a surrogate pair or a number beyond the range of a double; neither is JSON.",
            key=key,
        ) from None
    if size > MAX_JSON_BYTES:
        raise Invalid(f"{key} takes {size:,} bytes as JSON; at most {MAX_JSON_BYTES:,} are allowed.", key=key)
    return found


def _is_deeper(value: object, levels: int) -> bool:
    level: list[object] = [value]
    for _ in range(levels + 1):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def texts(values: Sequence[str] | None, key: str, *, max_characters: int = MAX_NAME_CHARACTERS) -> tuple[str, ...]:
    """The texts without duplicates, in order. Raises Invalid for more than MAX_LIST_ITEMS."""
    values = values or ()
    if len(values) > MAX_LIST_ITEMS:
        raise Invalid(f"{key} takes up to {MAX_LIST_ITEMS} values; these are {len(values)}.", key=key)
    return tuple(dict.fromkeys(text(value, key, max_characters=max_characters) for value in values))


def tags(values: Sequence[str] | None, key: str, *, current: Sequence[str] = ()) -> tuple[str, ...]:
    """The tags without duplicates, in order. Those in `current` are not checked again."""
    return tuple(dict.fromkeys(tag if tag in current else name(tag, key) for tag in texts(values, key)))
