"""`switchboard export-events`, `backup`, `restore` and `doctor`."""

import json
from pathlib import Path

import pytest
from pymongo import MongoClient

from resolvers.context import Services
from server.cli import operators
from server.cli.command import CommandError
from storage.errors import InvalidCursor
from storage.mongo.cursors import event_cursor
from tests.processes import run
from tests.resolvers.world import World


async def exported(services: Services, uri: str, after: str | None) -> tuple[list[dict[str, object]], str]:
    lines: list[bytes] = []
    database = services.storage.database.raw.name
    last = await operators.export_events(uri, database, after=after, write=lines.append)
    return [json.loads(line) for line in lines], last


async def test_an_export_has_every_event_once_in_order(
    services: Services, mongodb_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operators, "EXPORT_BATCH", 2)
    world = World(services)
    for token in "abcde":
        await world.visitor(token)
    head = await world.head()

    all_events, last = await exported(services, mongodb_uri, None)
    rest, _ = await exported(services, mongodb_uri, str(all_events[-3]["cursor"]))
    nothing, same = await exported(services, mongodb_uri, last)

    assert [event["sequence"] for event in all_events] == list(range(1, head + 1))
    assert [event["cursor"] for event in all_events] == [event_cursor(number) for number in range(1, head + 1)]
    assert last == event_cursor(head)
    assert rest == all_events[-2:]
    assert (nothing, same) == ([], last)
    assert [event["visitor"]["token"] for event in all_events[-5:]] == list("abcde")  # type: ignore[index]


async def test_an_export_after_events_that_are_not_kept_is_refused(services: Services, mongodb_uri: str) -> None:
    world = World(services)
    for token in "abc":
        await world.visitor(token)
    head = await world.head()
    await services.storage.appender.cleanup.wait()  # what is in the outbox would be appended again
    await services.storage.database["log"].delete_many({"_id": {"$lt": head}})

    with pytest.raises(CommandError, match=f"follow --after {event_cursor(head - 1)}$"):
        await exported(services, mongodb_uri, event_cursor(0))
    kept, _ = await exported(services, mongodb_uri, None)

    assert [event["sequence"] for event in kept] == [head]


async def test_an_export_after_no_cursor_is_refused(services: Services, mongodb_uri: str) -> None:
    with pytest.raises(InvalidCursor):
        await exported(services, mongodb_uri, "nonsense")


async def test_the_commands_save_restore_and_check_a_database(
    services: Services, mongodb_uri: str, database_name: str, tmp_path: Path
) -> None:
    await World(services).visitor("v")
    await services.storage.appender.cleanup.wait()  # nothing is in the outbox then
    source, file = services.storage.database.raw.name, str(tmp_path / "data.backup")

    saved = run("backup", file, MONGODB_URI=mongodb_uri, DATABASE=source)
    restored = run("restore", file, MONGODB_URI=mongodb_uri, DATABASE=database_name)
    again = run("restore", file, MONGODB_URI=mongodb_uri, DATABASE=database_name)
    missing = run("restore", f"{file}.missing", MONGODB_URI=mongodb_uri, DATABASE=database_name)
    events = run("export-events", MONGODB_URI=mongodb_uri, DATABASE=database_name)
    doctor = run("doctor", MONGODB_URI=mongodb_uri, DATABASE=database_name)

    with MongoClient[dict[str, object]](mongodb_uri) as client:
        client.drop_database(database_name)
    assert (saved.returncode, restored.returncode, events.returncode) == (0, 0, 0)
    assert restored.stdout.endswith(f"are restored into the database {database_name}.\n")
    assert saved.stdout.split()[0] == restored.stdout.split()[0]
    assert (again.returncode, again.stderr.startswith(f"switchboard: The database {database_name} is not")) == (1, True)
    assert missing.stderr == f"switchboard: {file}.missing cannot be read: No such file or directory.\n"
    assert json.loads(events.stdout.splitlines()[-1])["visitor"]["token"] == "v"
    assert (doctor.returncode, doctor.stdout.splitlines()[-1]) == (0, "No problems."), doctor.stdout
