"""The patterns of custom fields: RE2 expressions, which match in time linear in the text whatever they are.

Linear in the size of the compiled expression too, in the worst case, and a few characters make a large one: so that
size is bounded where a field is defined.
"""

import functools

import re2  # type: ignore[import-untyped, unused-ignore]

#: For the states that RE2 remembers of one expression; with more it builds those of a bad one for longer in vain.
MAX_MEMORY_BYTES = 1 << 18
#: Of the compiled expression, as if all text were of single bytes: what counted repetitions multiply. The slowest match
#: of 4,096 characters that we found within both took 9 ms; `.{1,100}` fits in.
MAX_STEPS = 320
#: Of the compiled expression as it is used: one class of the letters of all scripts (\pL) takes 1,200.
MAX_INSTRUCTIONS = 1250
_LAST_BYTE = "\xff"


def matches_whole(expression: str, text: str) -> bool:
    """Whether the whole text matches. Raises ValueError, saying why, when it is not an RE2 expression."""
    return _compiled(expression).fullmatch(text) is not None


def check(expression: str) -> None:
    """Raise ValueError, saying why, when it is not an RE2 expression."""
    _compiled(expression)


def is_slow(expression: str) -> bool:
    """Whether an RE2 expression compiles to more than what matches the longest text without stalling the server."""
    if _compiled(expression).programsize > MAX_INSTRUCTIONS:
        return True
    try:
        return bool(_compiled(_as_bytes(expression)).programsize > MAX_STEPS)
    except ValueError:  # it names characters by numbers that no byte has
        return bool(_compiled(expression).programsize > MAX_STEPS)


def _as_bytes(expression: str) -> bytes:
    """The expression with one byte for each character: an expression again, for ranges stay ranges."""
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
