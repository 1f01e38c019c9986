"""Shutdown of the storage, also while the database does not answer."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from resolvers.services import open_services
from storage.embedded.replica_set import EmbeddedReplicaSet
from storage.runtime import Storage
from tests.storage.embedded.test_replica_set import connect
from tests.storage.support import save

#: Half of the time for which the driver waits for a primary.
TIME_LIMIT_SECONDS = 5.0


async def test_shutdown_does_not_wait_for_a_database_that_does_not_answer(
    tmp_path: Path, database_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    with EmbeddedReplicaSet(tmp_path) as mongod:
        async with Storage.open(mongod.uri, database_name) as storage, open_services(storage):
            await save(storage, "v")
            os.kill(mongod.nodes[0].pid, signal.SIGKILL)
            stuck = asyncio.create_task(save(storage, "w"))
            began = loop.time()
        took = loop.time() - began
        stuck.cancel()

    assert took < TIME_LIMIT_SECONDS
    assert [record for record in caplog.records if record.exc_info] == []


async def test_shutdown_ends_transactions_and_deregisters_the_process(mongodb_uri: str, database_name: str) -> None:
    async with Storage.open(mongodb_uri, database_name) as storage:
        saving = asyncio.create_task(save(storage, "v"))
        await asyncio.sleep(0)

    assert (await saving).token == "v"
    with connect(mongodb_uri) as client:
        assert list(client[database_name]["processes"].find()) == []
        assert list(client[database_name]["outbox"].find()) == []
