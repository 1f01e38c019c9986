"""A process is not ready while its database refuses writes."""

import asyncio
from pathlib import Path

import httpx
from pymongo import MongoClient

from server.app import start_services
from server.settings import Settings
from storage.embedded.replica_set import EmbeddedReplicaSet
from tests.conftest import served


async def test_a_process_is_not_ready_while_its_database_is_locked(tmp_path: Path) -> None:
    with EmbeddedReplicaSet(tmp_path, cache_gb=0.25) as mongod, MongoClient[dict[str, object]](mongod.uri) as client:
        async with (
            start_services(mongod.uri, Settings()) as (services, _),
            served(services, write_seconds=1.0) as url,
            httpx.AsyncClient(base_url=url.removesuffix("/graphql")) as http,
        ):

            async def until(status: int) -> httpx.Response:
                async with asyncio.timeout(60):
                    while (answer := await http.get("/health/ready")).status_code != status:  # noqa: ASYNC110 - only a request tells
                        await asyncio.sleep(0.05)
                return answer

            await until(200)
            client.admin.command("fsync", lock=True)
            try:
                refused = await until(503)
            finally:
                client.admin.command("fsyncUnlock")
            await until(200)

    assert refused.json() == {
        "status": "unavailable",
        "reason": "MongoDB answers, but takes no writes: unlock it if it is locked (db.fsyncUnlock()), and free space "
        "if its disk is full",
    }
