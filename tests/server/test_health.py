"""/health/ready names what is wrong, and /version which program answers. test_endpoint.py has the failures of MongoDB
and of background tasks, test_health_writes.py a locked database."""

import asyncio
import time
from importlib.metadata import version

import httpx

from resolvers.context import Services
from server.health import TAIL_SECONDS
from storage.mongo.data_version import DATA_VERSION
from tests.conftest import served


async def test_a_process_that_reads_the_log_late_is_not_ready(services: Services) -> None:
    feed = services.storage.feed
    async with served(services) as url, httpx.AsyncClient(base_url=url.removesuffix("/graphql")) as client:
        on_time = await client.get("/health/ready")
        for task in services.storage.supervisor._tasks:
            if task.get_name() == "follow the log":
                task.cancel()
        await asyncio.sleep(0)
        feed._at_end = time.monotonic() - TAIL_SECONDS - 1
        late = await client.get("/health/ready")

    assert (on_time.status_code, on_time.json()) == (200, {"status": "ok"})
    assert (late.status_code, late.json()["status"], late.json()["problems"]) == (503, "unavailable", [])
    assert late.json()["reason"].startswith("events are late: this process last read the log to its end 1")


async def test_an_idle_log_is_not_late(services: Services) -> None:
    feed = services.storage.feed
    feed._at_end = time.monotonic() - TAIL_SECONDS - 1

    async with asyncio.timeout(60):
        while feed.seconds_behind > TAIL_SECONDS:  # noqa: ASYNC110 - the poll of an idle log has no event
            await asyncio.sleep(0.05)


async def test_the_version_needs_no_token(shared_url: str) -> None:
    base = shared_url.removesuffix("/graphql")
    async with httpx.AsyncClient() as client:
        answers = [await client.get(f"{base}{path}") for path in ("/version", "/version/")]

    expected = {"version": version("switchboard"), "dataVersion": DATA_VERSION}
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, expected)] * 2
