"""The patterns of custom fields: RE2 expressions, which match in time linear in the text whatever they are."""

import functools

import re2  # type: ignore[import-untyped, unused-ignore]

#: Keeps the slowest match of 4,096 characters around 10 ms.
MEMORY_BYTES = 1 << 20


def matches_whole(expression: str, text: str) -> bool:
    """Whether the whole text matches. Raises ValueError, saying why, when it is not an RE2 expression."""
    return _compiled(expression).fullmatch(text) is not None


def check(expression: str) -> None:
    """Raise ValueError, saying why, when it is not an RE2 expression."""
    _compiled(expression)


@functools.lru_cache(maxsize=1024)
def _compiled(expression: str) -> "re2._Regexp":
    options = re2.Options()
    options.max_mem = MEMORY_BYTES
    options.never_capture = True
    options.log_errors = False
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        reason = error.args[0]
        raise ValueError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(error)) from None
