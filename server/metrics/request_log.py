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
            line: dict[str, object] = {
                "timestamp": now.isoformat().replace("+00:00", "Z"),
                "level": "info",
                "logger": LOGGER,
                "event": "operation",
                "principal": principal,
                "type": kind,
                "operation": name,
                "code": code,
                "ms": milliseconds,
            }
            if trace := tracing.trace_id():
                line["trace"] = trace
            self._write(f"{msgspec.json.encode(line).decode()}\n")
        else:
            clock = now.astimezone().strftime("%Y-%m-%d %H:%M:%S")
            self._write(f"{clock} [info] {kind} {name or '-'} {code} {milliseconds:g} ms {principal}\n")
