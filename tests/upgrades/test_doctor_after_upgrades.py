"""`switchboard doctor` on the data of each release: it says what an upgrade will do, and finds no problem after it."""

from pathlib import Path

import pytest

from server.cli import diagnosis
from server.cli.diagnosis import Level
from storage.runtime import Storage
from tests.upgrades.test_data_of_releases import RELEASES, loaded, recorded

#: The migrations that the data of a release need.
PENDING = {"0.1.0": ["migration 1 (message numbers)", "migration 2 (folded text)"], "0.2.0": []}


@pytest.mark.parametrize("path", RELEASES, ids=lambda path: path.stem)
async def test_the_doctor_knows_what_an_upgrade_does(path: Path, mongodb_uri: str, database_name: str) -> None:
    with loaded(mongodb_uri, database_name, recorded(path)):
        before = await diagnosis.examine_database(mongodb_uri, database_name)
        async with Storage.open(mongodb_uri, database_name) as storage:
            await storage.appender.cleanup.wait()
        after = {one.subject: one.level for one in await diagnosis.examine_database(mongodb_uri, database_name)}

    notes = {one.subject: one.remedy for one in before if one.subject.startswith("migration")}
    assert notes == dict.fromkeys(PENDING[path.stem], "Start a server, which runs it.")
    assert {one.subject for one in before if one.level is Level.PROBLEM} <= {"indexes", "outbox"}
    assert [subject for subject, level in after.items() if level is Level.PROBLEM] == []
    assert after["data"] is Level.OK
