"""The background tasks of a process while the database is unreachable."""

import logging
import os
import signal
from pathlib import Path

import pytest

from resolvers.services import open_services
from storage.embedded.replica_set import EmbeddedReplicaSet
from storage.mongo import connection
from storage.runtime import Storage
from storage.timings import Timings
from tests.storage.support import until


async def test_unreachable_database_is_logged_without_a_traceback(
    tmp_path: Path, database_name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    quick = {**connection.CONNECTION_OPTIONS, "serverSelectionTimeoutMS": 100}
    monkeypatch.setattr(connection, "CONNECTION_OPTIONS", quick)
    caplog.set_level(logging.WARNING)
    expected = {"assign waiting rooms", "maintenance", "heartbeat", "follow the log", "sweep the outbox"}

    async def all_told() -> bool:
        return all(any(f"{task!r} failed" in record.getMessage() for record in caplog.records) for task in expected)

    with EmbeddedReplicaSet(tmp_path) as mongod:
        async with (
            Storage.open(mongod.uri, database_name, timings=Timings(maintenance=0.1)) as storage,
            open_services(storage),
        ):
            os.kill(mongod.nodes[0].pid, signal.SIGKILL)
            await until(all_told)

    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
