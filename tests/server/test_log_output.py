"""The log is JSON, or lines for people in a terminal, with one line for each operation."""

import io
import json
import logging
import sys

import httpx
import pytest
from typing_extensions import override

from resolvers.auth.access import ANONYMOUS, Caller
from resolvers.context import Services
from server import log_output
from server.log_output import MAX_TEXT, make_formatter, request_log
from server.metrics.process import ProcessMetrics
from server.metrics.request_log import MAX_NAME, RequestLog
from server.settings import LogFormat, Settings
from storage.records import Actor, ActorType
from tests.conftest import ADMIN_TOKEN, served

APP = Caller(Actor(type=ActorType.APP, id="01ABC", name="crm"))


class Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


def formatted(log_format: LogFormat, message: str, *arguments: object, error: BaseException | None = None) -> str:
    trace = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord("storage.log", logging.WARNING, __file__, 1, message, arguments, trace)
    return make_formatter(log_format, io.StringIO()).format(record)


def test_a_line_of_json_has_its_level_logger_and_time() -> None:
    line = json.loads(formatted(LogFormat.JSON, "%d facts are late.", 3))

    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "3 facts are late.", "level": "warning", "logger": "storage.log"}


def test_a_traceback_is_part_of_the_line_of_json() -> None:
    try:
        raise ValueError("wrong")
    except ValueError as error:
        text = formatted(LogFormat.JSON, "A task failed.", error=error)

    assert "\n" not in text
    assert json.loads(text)["exception"].splitlines()[-1] == "ValueError: wrong"


def test_a_line_for_people_is_one_line() -> None:
    text = formatted(LogFormat.TEXT, "It failed: %s", "first\nsecond")

    assert text[20:] == "[warning] It failed: first\\nsecond [storage.log]"


def test_a_long_text_is_cut() -> None:
    line = json.loads(formatted(LogFormat.JSON, "x" * 100_000))

    assert line["event"] == "x" * MAX_TEXT + "..."


@pytest.mark.parametrize(
    ("log_format", "stream", "text"),
    [
        (LogFormat.AUTO, Terminal(), True),
        (LogFormat.AUTO, io.StringIO(), False),
        (LogFormat.TEXT, io.StringIO(), True),
        (LogFormat.JSON, Terminal(), False),
    ],
)
def test_the_format_depends_on_the_setting_and_the_terminal(
    log_format: LogFormat, stream: io.StringIO, text: bool
) -> None:
    assert log_output.is_text(log_format, stream) is text


def test_an_operation_is_one_line_of_json() -> None:
    lines: list[str] = []
    RequestLog(lines.append, json=True).ended("query", "Me", "OK", seconds=0.0123, caller=APP)

    (line,) = lines
    assert line.endswith("\n")
    entry = json.loads(line)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {
        "level": "info",
        "logger": "switchboard.requests",
        "event": "operation",
        "principal": "app_01ABC",
        "type": "query",
        "operation": "Me",
        "code": "OK",
        "ms": 12.3,
    }


def test_an_operation_is_one_line_for_people() -> None:
    lines: list[str] = []
    log = RequestLog(lines.append, json=False)
    log.ended("query", "N" * 1000, "OK", seconds=0.0123, caller=APP)
    log.ended("none", "", "RATE_LIMITED", seconds=0, caller=ANONYMOUS)

    assert [line[20:] for line in lines] == [
        f"[info] query {'N' * MAX_NAME} OK 12.3 ms app_01ABC\n",
        "[info] none - RATE_LIMITED 0 ms anonymous\n",
    ]


async def test_every_operation_has_a_line_with_its_principal_and_code(services: Services) -> None:
    lines: list[str] = []
    metrics = ProcessMetrics(RequestLog(lines.append, json=True))
    async with served(services, metrics=metrics) as url, httpx.AsyncClient() as client:
        await client.post(url, json={"query": "query Mine { viewer { name } }"}, headers={"authorization": "Bearer no"})
        token = {"authorization": f"Bearer {ADMIN_TOKEN}"}
        await client.post(url, json={"query": "query Mine { viewer { name } }"}, headers=token)

    entries = [json.loads(line) for line in lines]
    assert [(entry["operation"], entry["code"]) for entry in entries] == [("Mine", "UNAUTHENTICATED"), ("Mine", "OK")]
    assert entries[0]["principal"] == "anonymous"
    assert entries[1]["principal"].startswith("app_")
    assert ADMIN_TOKEN not in "".join(lines)


@pytest.mark.parametrize(
    ("settings", "level"), [(Settings(log_requests=False), logging.INFO), (Settings(), logging.WARNING)]
)
def test_operations_are_not_logged_if_the_settings_say_so(
    settings: Settings, level: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "level", level)

    assert request_log(settings) is None


def test_the_log_replaces_the_handlers_of_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    root, stream = logging.getLogger(), io.StringIO()
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    monkeypatch.setattr(root, "level", root.level)
    monkeypatch.setattr(sys, "stderr", stream)
    quiet = {name: logging.getLogger(name).level for name in log_output.QUIET}
    try:
        log_output.log_to_stderr(Settings())
        logging.getLogger("server").warning("Seen.")
        logging.getLogger("uvicorn").info("Not seen.")
    finally:
        for name, level in quiet.items():
            logging.getLogger(name).setLevel(level)

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["Seen."]
