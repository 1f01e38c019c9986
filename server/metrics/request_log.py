"""The log of operations: one line for each that ended, with its caller, name, code and duration.

A line is written at once, without the package logging, whose records and formatters take ten times as long.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from resolvers.auth.access import Caller
from schema.base import ids
from storage import tracing

#: The most characters of an operation's name in a line.
MAX_NAME: Final = 64
LOGGER: Final = "switchboard.requests"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a line, in their order."""

    timestamp: datetime
    level: str = "info"
    logger: str = LOGGER
    event: str = "operation"
    principal: str
    type: str
    operation: str
    code: str
    ms: float
    trace: str | msgspec.UnsetType = msgspec.UNSET


_ENCODER: Final = msgspec.json.Encoder()


class RequestLog:
    """Writes the lines, as JSON or for people."""

    def __init__(self, write: Callable[[str], object], *, json: bool) -> None:
        self._write = write
        self._json = json

    def ended(self, kind: str, name: str, code: str, *, seconds: float, caller: Caller) -> None:
        """Write the line of one operation. `name` is a name of GraphQL, or empty."""
        actor = caller.actor
        principal = "anonymous" if actor is None else ids.format_actor(actor.type, actor.id) or actor.type.value
        milliseconds, name = round(seconds * 1000, 3), name[:MAX_NAME]
        now = datetime.now(UTC)
        if self._json:
            line = Line(
                timestamp=now,
                principal=principal,
                type=kind,
                operation=name,
                code=code,
                ms=milliseconds,
                trace=tracing.trace_id() or msgspec.UNSET,
            )
            self._write(f"{_ENCODER.encode(line).decode()}\n")
        else:
            clock = now.astimezone().strftime("%Y-%m-%d %H:%M:%S")
            self._write(f"{clock} [info] {kind} {name or '-'} {code} {milliseconds:g} ms {principal}\n")
