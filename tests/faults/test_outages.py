"""An outage of the database: every operation fails within its deadline, with a correct error, under any load."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from resolvers.context import Services
from storage import messages, visitors
from storage.embedded.node import find_binary
from storage.embedded.replica_set import EmbeddedReplicaSet
from storage.errors import Unavailable
from storage.mongo.connection import Database
from storage.mongo.retries import read_with_retries
from storage.runtime import Storage
from storage.timings import Timings
from tests.faults.clients import Client, Refused
from tests.storage.support import save

CHANGES = 40
READS = 40
TIMEOUT_SECONDS = 3.0
#: Tolerance for the deadline on a loaded machine.
LATE_SECONDS = 30.0
#: Time limit for the database to recover on a loaded machine.
REST_SECONDS = 60.0


async def timed(work: Any) -> tuple[Any, float]:
    began = time.monotonic()
    outcome: Any = (await asyncio.gather(work, return_exceptions=True))[0]
    return outcome, time.monotonic() - began


async def read(storage: Storage, token: str) -> object:
    return await read_with_retries(storage.database, lambda: visitors.find_by_token(storage.reader, token))


async def test_operations_fail_in_time_during_an_outage_and_succeed_after_it(tmp_path: Path) -> None:
    with EmbeddedReplicaSet(tmp_path, cache_gb=0.25) as mongod:
        async with Storage.open(mongod.uri, "outage", timings=Timings(read_timeout=TIMEOUT_SECONDS)) as storage:
            storage.transactions.timeout_seconds = TIMEOUT_SECONDS
            (node,) = mongod.nodes
            changes = [timed(save(storage, f"early {number}")) for number in range(CHANGES)]
            reads = [timed(read(storage, f"early {number}")) for number in range(READS)]
            waiting = asyncio.gather(*changes, *reads)
            await asyncio.sleep(0)
            await asyncio.to_thread(node.signal, signal.SIGKILL)
            node.wait_until_exited()
            outcomes = await waiting

            storage.transactions.timeout_seconds = REST_SECONDS
            late = asyncio.gather(*(timed(save(storage, f"late {number}")) for number in range(CHANGES)))
            await asyncio.sleep(1)
            await asyncio.to_thread(node.launch, find_binary())
            served = await late

            assert max(seconds for _, seconds in outcomes) < TIMEOUT_SECONDS + LATE_SECONDS
            refused = [outcome for outcome, _ in outcomes if isinstance(outcome, BaseException)]
            assert {type(refusal) for refusal in refused} == {Unavailable}
            made = {document["token"] async for document in storage.database["visitors"].find({})}
            for number, (outcome, _) in enumerate(outcomes[:CHANGES]):
                if isinstance(outcome, Unavailable):
                    assert not outcome.data["retryable"] or f"early {number}" not in made
                else:
                    assert f"early {number}" in made
            assert [outcome for outcome, _ in served if isinstance(outcome, BaseException)] == []
            assert {f"late {number}" for number in range(CHANGES)} <= made


async def test_mutation_whose_result_cannot_be_read_is_not_retryable(
    services: Services, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Client([url]) as client:
        await client.visitor("v")

        async def away(*_: object, **__: object) -> None:
            monkeypatch.setattr(Database, "has_primary", False)
            raise AutoReconnect("the primary is gone")

        services.storage.database.timings = Timings(read_timeout=0.1)
        monkeypatch.setattr(messages, "read_pages", away)

        with pytest.raises(Refused) as refusal:
            await client.mutate("startRoom", "room { messages { nodes { id } } }", visitorToken="v")

        assert refusal.value.extensions == {"code": "UNAVAILABLE", "retryable": False}
        assert await services.storage.database["rooms"].count_documents({}) == 1
