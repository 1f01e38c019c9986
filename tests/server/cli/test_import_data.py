"""`switchboard import rocketchat` as a process: progress, dry run, report, exit codes, and a kill in the middle."""

import io
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from server.app import start_services
from server.cli.command import CommandError
from server.cli.import_data import read_source_uri
from server.cli.main import make_parser
from server.settings import IMPORT_URI, Settings
from storage.rocketchat import NAMES
from tests.conftest import ADMIN_TOKEN
from tests.processes import ROOT, environment, run, start

START = datetime(2024, 5, 1, 9, tzinfo=UTC)
ROOMS, MESSAGES = 60, 3

Documents = dict[str, Any]


@pytest.fixture
async def target(mongodb_uri: str, database_name: str) -> str:
    """A database that a server has used."""
    async with start_services(mongodb_uri, Settings(database=database_name, admin_token=ADMIN_TOKEN)):
        return database_name


@pytest.fixture
def source(mongodb_uri: str, database_name: str) -> Iterator[str]:
    """The URI of a Rocket.Chat database with ROOMS closed rooms of MESSAGES messages."""
    name = f"{database_name}-rc"
    rooms: list[Documents] = []
    messages: list[Documents] = []
    for number in range(ROOMS):
        room = f"r{number:03}"
        times = {"ts": START, "closedAt": START + timedelta(hours=1)}
        rooms.append({"_id": room, "t": "l", "v": {"_id": "v1", "token": "rc-token"}, **times})
        messages += [
            {"_id": f"{room}-{one}", "rid": room, "msg": f"text {one}", "token": "rc-token", "ts": START, "u": {}}
            for one in range(MESSAGES)
        ]
    with MongoClient[Documents](mongodb_uri) as client:
        database = client[name]
        database[NAMES["users"]].insert_one({"_id": "u1", "name": "no username"})
        database[NAMES["visitors"]].insert_one({"_id": "v1", "token": "rc-token", "ts": START})
        database[NAMES["rooms"]].insert_many(rooms)
        database[NAMES["messages"]].insert_many(messages)
        yield f"{mongodb_uri.rstrip('/').partition('/?')[0]}/{name}"
        client.drop_database(name)


def options(uri: str, target: str, source: str) -> dict[str, str]:
    return {"MONGODB_URI": uri, "DATABASE": target, "IMPORT_URI": source}


def count(uri: str, name: str, collection: str) -> int:
    with MongoClient[Documents](uri) as client:
        return client[name][collection].count_documents({})


def test_a_dry_run_reports_and_writes_nothing(mongodb_uri: str, target: str, source: str) -> None:
    head = count(mongodb_uri, target, "log")

    done = run("import", "rocketchat", "--dry-run", **options(mongodb_uri, target, source))

    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [
            "roles: 0 to import, 0 there already",
            "custom fields: 0 to import, 0 there already",
            "departments: 0 to import, 0 there already",
            "users: 0 to import, 0 there already",
            "visitors: 1 to import, 0 there already",
            f"rooms: {ROOMS} to import, 0 there already",
            f"messages: {ROOMS * MESSAGES} to import, 0 there already",
            "Not mapped:",
            "  users: has no username (1; for example u1)",
        ],
    )
    # Without a terminal, a line for each kind; the password and the variable are in no line.
    assert [line for line in done.stderr.splitlines() if line.startswith("  ")] == [
        "  roles: 0",
        "  custom fields: 0",
        "  departments: 0",
        "  users: 1",
        "  visitors: 1",
        f"  rooms: {ROOMS}",
    ]
    assert "warning" not in done.stderr
    assert [count(mongodb_uri, target, name) for name in ("log", "rooms", "imports")] == [head, 0, 0]


def test_a_killed_import_continues_and_creates_nothing_twice(mongodb_uri: str, target: str, source: str) -> None:
    settings = options(mongodb_uri, target, source)
    with open(os.devnull, "w") as nowhere:
        streams = {1: nowhere.fileno(), 2: nowhere.fileno()}
        process = start(("import", "rocketchat"), environment(**settings), streams)
    until = time.monotonic() + 60
    while count(mongodb_uri, target, "rooms") < ROOMS // 6:
        assert time.monotonic() < until
        time.sleep(0.01)
    process.kill()
    process.join()
    between = count(mongodb_uri, target, "rooms")

    done = run("import", "rocketchat", **settings)

    assert 0 < between < ROOMS
    assert done.returncode == 0
    rooms = next(line for line in done.stdout.splitlines() if line.startswith("rooms: "))
    imported, present = int(rooms.split()[1]), int(rooms.split()[3])
    # A room that was committed while the process was killed is there, and one that was not is imported now.
    assert (imported + present, present >= between) == (ROOMS, True)
    with MongoClient[Documents](mongodb_uri) as client:
        database = client[target]
        assert database["rooms"].count_documents({"status": "CLOSED", "messageCount": MESSAGES}) == ROOMS
        assert database["messages"].count_documents({}) == ROOMS * MESSAGES
        texts = database["messages"].aggregate([{"$group": {"_id": {"room": "$roomId", "text": "$text"}}}])
        assert len(list(texts)) == ROOMS * MESSAGES
    again = run("import", "rocketchat", **settings)
    assert f"rooms: 0 imported, {ROOMS} there already" in again.stdout


def test_a_database_of_another_program_is_refused_in_one_line(mongodb_uri: str, target: str) -> None:
    done = run("import", "rocketchat", **options(mongodb_uri, target, mongodb_uri))

    assert (done.returncode, done.stdout) == (1, "")
    assert "has no collection users. Name the database in the path of the URI." in done.stderr.splitlines()[-1]


def test_without_a_uri_the_command_says_where_it_belongs(mongodb_uri: str, target: str) -> None:
    done = run("import", "rocketchat", MONGODB_URI=mongodb_uri, DATABASE=target)

    assert (done.returncode, done.stdout, done.stderr) == (
        *(1, ""),
        "switchboard: Set SWITCHBOARD_IMPORT_URI to the URI of the MongoDB to import from, or pass it with --uri.\n",
    )


def test_every_command_of_the_guide_is_one() -> None:
    guide = (ROOT / "docs" / "guides" / "rocketchat.md").read_text(encoding="utf-8")
    commands = re.findall(r"^switchboard (import .*)$", guide, re.MULTILINE)

    parsed = [make_parser().parse_args(command.split()) for command in commands]

    assert [(one.system, one.uri, one.dry_run) for one in parsed] == [
        ("rocketchat", None, True),
        ("rocketchat", None, False),
    ]
    assert f"export {IMPORT_URI}=" in guide


def test_the_uri_is_read_from_stdin_from_the_option_or_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(IMPORT_URI, "mongodb://of-the-environment")
    monkeypatch.setattr("sys.stdin", io.StringIO("mongodb://a:b@of-stdin/rocketchat\nanything\n"))

    found = [read_source_uri("-"), read_source_uri(None), read_source_uri("mongodb://of-the-option")]

    assert found == ["mongodb://a:b@of-stdin/rocketchat", "mongodb://of-the-environment", "mongodb://of-the-option"]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(CommandError):
        read_source_uri("-")


def test_a_password_in_the_option_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    read_source_uri("mongodb://reader:secret@old-server/rocketchat")

    warning = capsys.readouterr().err
    assert IMPORT_URI in warning
    assert "secret" not in warning
