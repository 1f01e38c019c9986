"""The guide on webhooks: its receiver takes what the server sends, and its operations do what the page says."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from resolvers import webhooks
from server.webhooks.lookups import MAX_LOOKUPS, MAX_LOOKUPS_PER_OWNER
from server.webhooks.retries import DEFAULT_RETRIES
from server.webhooks.sender import DEFAULT_LIMITS
from storage.mongo.cursors import event_cursor
from storage.mongo.indexes import DELIVERY_SECONDS
from storage.webhook_deliveries import KEPT
from storage.webhook_records import PauseReason
from storage.webhooks import MAX_WEBHOOKS
from tests.faults.load import free_port
from tests.server.webhooks.support import Deployment, deployment
from tests.storage.support import until

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guides" / "webhooks.md").read_text(encoding="utf-8")
#: The operations of the page by their names.
OPERATIONS = {name: text for text, name in re.findall(r"```graphql\n(\w+ (\w+).*?)```", PAGE, re.DOTALL)}
(RECEIVER,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


class ReceiverProcess:
    """The receiver of the page, in a process."""

    def __init__(self, port: int, folder: Path, secret: str) -> None:
        program = folder / "receiver.py"
        program.write_text(RECEIVER, encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, str(program)],
            env={**os.environ, "WEBHOOK_SECRET": secret, "PORT": str(port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def read_line(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def receivers() -> Iterator[list[ReceiverProcess]]:
    started: list[ReceiverProcess] = []
    yield started
    for one in started:
        one.stop()


async def test_the_receiver_of_the_page_takes_each_event_once(
    mongodb_uri: str, tmp_path: Path, receivers: list[ReceiverProcess]
) -> None:
    port = free_port()
    async with deployment(mongodb_uri, "test-webhooks-guide") as server:
        webhook_id, secret = await create(server, port)
        receivers.append(receiver := ReceiverProcess(port, tmp_path, secret))
        await server.client.visitor("v")
        await server.client.start("v")

        assert await asyncio.to_thread(receiver.read_line) == "ROOM_STARTED"
        assert await delivered(server, webhook_id, 1) == [204]
        await server.client.send(OPERATIONS["Replay"], id=webhook_id, after=event_cursor(0))
        assert await delivered(server, webhook_id, 2) == [204, 204]
        await server.client.send(OPERATIONS["Rotate"], id=webhook_id)
        room = await server.client.start("v")
        await server.client.mutate("closeRoom", "room { id }", roomId=room["id"])

        assert [await asyncio.to_thread(receiver.read_line) for _ in range(2)] == ["ROOM_STARTED", "ROOM_CLOSED"]
        forged = {"webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": "v1,eA=="}
        async with httpx.AsyncClient() as client:
            answer = await client.post(f"http://127.0.0.1:{port}/", headers=forged, content=b"{}")
        assert answer.status_code == 401


async def delivered(server: Deployment, webhook_id: str, count: int) -> list[int]:
    """The statuses of the attempts that succeeded, when there are so many. The receiver may take a moment to start."""
    statuses: list[int] = []

    async def are_delivered() -> bool:
        log = await server.deliveries(webhook_id)
        statuses[:] = [entry["status"] for entry in log if entry["delivered"]]
        return len(statuses) >= count

    await until(are_delivered)
    return statuses


async def create(server: Deployment, port: int) -> tuple[str, str]:
    """Create the webhook of the page. Returns its id and its secret."""
    created = await server.client.send(
        OPERATIONS["CreateWebhook"],
        url=f"http://127.0.0.1:{port}/",
        document=OPERATIONS["Rooms"],
        variables={"types": ["ROOM_STARTED", "ROOM_CLOSED"]},
    )
    webhook = created["createWebhook"]["webhook"]
    assert webhook["state"] == "ACTIVE"
    return webhook["id"], created["createWebhook"]["secret"]


async def test_the_operations_of_the_page_work(mongodb_uri: str) -> None:
    async with deployment(mongodb_uri, "test-webhooks-guide") as server:
        webhook_id, _ = await create(server, free_port())
        await server.client.visitor("v")
        await server.client.start("v")
        await server.wait_for_state(webhook_id, "FAILING")

        (shown,) = (await server.client.send(OPERATIONS["Webhooks"]))["webhooks"]
        assert (shown["name"], shown["state"], shown["consumer"]["lag"]) == ("crm", "FAILING", 1)
        assert shown["deliveries"]["nodes"][0]["error"] == "no connection: Connection refused"
        resumed = await server.client.send(OPERATIONS["Resume"], id=webhook_id)
        assert resumed == {"updateWebhook": {"webhook": {"state": "ACTIVE"}}}
        removed = await server.client.send(OPERATIONS["Remove"], id=webhook_id)
        assert removed == {"removeWebhook": {"removedId": webhook_id}}


def test_limits_of_the_page_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())

    assert (DEFAULT_RETRIES.first, DEFAULT_RETRIES.longest, DEFAULT_RETRIES.longest_requested) == (1, 600, 3_600)
    assert DEFAULT_RETRIES.give_up_after == timedelta(days=3)
    assert (1_000, timedelta(days=30).total_seconds()) == (KEPT, DELIVERY_SECONDS)
    assert (webhooks.OVERLAP_SECONDS, webhooks.MAX_OVERLAP_SECONDS) == (86_400, 604_800)
    assert DEFAULT_LIMITS.body_bytes == 1024 * 1024
    shares = [
        f"{share} of them for the webhooks of one owner |"
        for share in (DEFAULT_LIMITS.concurrent_per_owner, MAX_LOOKUPS_PER_OWNER)
    ]
    for limit in (
        f"| a connection | {DEFAULT_LIMITS.connect_seconds:g} seconds |",
        f"| an attempt, to the status | {DEFAULT_LIMITS.total_seconds:g} seconds |",
        f"after {DEFAULT_LIMITS.total_seconds:g} seconds without a status",
        f"| requests of one server process at a time | {DEFAULT_LIMITS.concurrent}; {shares[0]}",
        f"| lookups of names of one server process at a time | {MAX_LOOKUPS}; {shares[1]}",
        f"| a document | {webhooks.MAX_DOCUMENT_CHARACTERS:,} characters",
        f"up to {webhooks.MAX_PER_OWNER} webhooks, and a deployment up to {MAX_WEBHOOKS}",
    ):
        assert limit in text
    assert re.findall(r"^\| `([A-Z_]+)` \|", PAGE.partition("| `pauseReason`")[2], re.MULTILINE) == [*PauseReason]
