"""Queries in SOQL."""

from collections.abc import Sequence

ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def quote(text: str) -> str:
    """A text as a literal. Whatever a visitor wrote stays inside its quotes."""
    return "'" + "".join(ESCAPES.get(letter, letter) for letter in text) + "'"


def select(name: str, fields: Sequence[str], where: str, *, limit: int) -> str:
    """A query of the oldest records. Values of visitors in `where` are quoted by `quote`."""
    return f"SELECT {', '.join(fields)} FROM {name} WHERE {where} ORDER BY CreatedDate LIMIT {limit}"  # noqa: S608
