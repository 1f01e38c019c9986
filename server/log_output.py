"""The log of a process on stderr: lines for people in a terminal, and one JSON object a line otherwise."""

import logging
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TextIO

import msgspec
import structlog
from structlog.typing import Processor

from server.settings import LogFormat, Settings
from storage import tracing

if TYPE_CHECKING:
    from server.metrics.request_log import RequestLog

#: The most characters of a text in a line. Errors of the driver list all servers, and clients choose names.
MAX_TEXT: Final = 2_000
#: The most characters of a traceback in a line.
MAX_TRACEBACK: Final = 20_000
#: Packages that log only warnings and errors.
QUIET: Final = ("pymongo", "asyncio", "uvicorn", "httpcore", "httpx")


def log_to_stderr(settings: Settings) -> None:
    """Configure the log of this process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(make_formatter(settings.log_format, sys.stderr))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def request_log(settings: Settings) -> "RequestLog | None":
    """The log of operations on stderr; None if the settings switch it off."""
    # Imported here: it imports the schema, which commands that serve nothing do not need.
    from server.metrics.request_log import RequestLog

    if not settings.log_requests or logging.getLogger().level > logging.INFO:
        return None
    return RequestLog(sys.stderr.write, json=not is_text(settings.log_format, sys.stderr))


def is_text(log_format: LogFormat, stream: TextIO) -> bool:
    """Whether the log is for people. AUTO is TEXT in a terminal, and JSON otherwise."""
    return stream.isatty() if log_format is LogFormat.AUTO else log_format is LogFormat.TEXT


def make_formatter(log_format: LogFormat, stream: TextIO) -> logging.Formatter:
    """The formatter for this format."""
    text = is_text(log_format, stream)
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        add_trace,
        structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S" if text else "iso", utc=not text),
    ]
    last: list[Processor] = (
        [limit_texts, console(colors=stream.isatty())]
        if text
        else [structlog.processors.format_exc_info, limit_texts, structlog.processors.JSONRenderer(encode)]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


def add_trace(logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add the id of the current trace, if there is one."""
    if trace := tracing.trace_id():
        event["trace"] = trace
    return event


def console(*, colors: bool) -> Processor:
    # The default shows the values of variables with each traceback, if the package rich is installed.
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=0, pad_level=False, exception_formatter=plain)


def limit_texts(logger: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Shorten long texts, and keep the event on one line."""
    event["event"] = str(event["event"]).replace("\n", "\\n")
    for key, value in event.items():
        if isinstance(value, str):
            limit = MAX_TRACEBACK if key == "exception" else MAX_TEXT
            if len(value) > limit:
                event[key] = f"{value[:limit]}..."
    return event


def encode(event: Mapping[str, Any], **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
