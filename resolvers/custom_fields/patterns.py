"""The patterns of custom fields: RE2 expressions, which match in time linear in the length of the text.

In the worst case the time is also linear in the size of the compiled expression, which may be much larger than the
expression. Definitions therefore have a limit on that size.
"""

import functools

import re2  # type: ignore[import-untyped, unused-ignore]

#: Memory for the states that RE2 caches of one expression. With more memory, bad expressions take longer.
MAX_MEMORY_BYTES = 1 << 18
#: The size limit of the expression compiled for single-byte text, which counted repetitions multiply. The slowest match
#: of 4,096 characters that was found within both limits took 9 ms. `.{1,100}` is within them.
MAX_STEPS = 320
#: The size limit of the compiled expression. One class of the letters of all scripts (\pL) has size 1,200.
MAX_INSTRUCTIONS = 1250
_LAST_BYTE = "\xff"


def matches_whole(expression: str, text: str) -> bool:
    """Whether the whole text matches. Raises ValueError, with the reason, for an invalid expression."""
    return _compiled(expression).fullmatch(text) is not None


def check(expression: str) -> None:
    """Raise ValueError, with the reason, for an invalid expression."""
    _compiled(expression)


def is_slow(expression: str) -> bool:
    """Whether the compiled expression exceeds a size limit."""
    if _compiled(expression).programsize > MAX_INSTRUCTIONS:
        return True
    try:
        return bool(_compiled(_as_bytes(expression)).programsize > MAX_STEPS)
    except ValueError:  # it has numeric escapes of characters beyond one byte
        return bool(_compiled(expression).programsize > MAX_STEPS)


def _as_bytes(expression: str) -> bytes:
    """The expression with each character replaced by one byte. Ranges remain ranges."""
    return "".join(min(character, _LAST_BYTE) for character in expression).encode("latin-1")


@functools.lru_cache(maxsize=1024)
def _compiled(expression: str | bytes) -> "re2._Regexp":
    options = re2.Options()
    if isinstance(expression, bytes):
        options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = MAX_MEMORY_BYTES
    options.never_capture = True
    options.log_errors = False
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        reason = error.args[0]
        raise ValueError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(error)) from None
