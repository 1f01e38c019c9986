"""Servers that are paused for a while, like a machine that sleeps or swaps, and then continue."""

import asyncio
import os
import signal
import time
from typing import Any

from tests.conftest import ADMIN_TOKEN
from tests.faults.clients import Client
from tests.processes import ServerProcess
from tests.server.graphql.test_sse_subscriptions import until_leased
from tests.server.websocket_client import connected, receive, send

ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}
SUBSCRIBE = {"query": 'subscription { events(consumer: "c", types: [ROOM_STARTED]) { sequence } }'}
ROOMS = 5


async def test_paused_server_delivers_nothing_for_a_consumer_leased_elsewhere(
    mongodb_uri: str, database_name: str
) -> None:
    with ServerProcess(mongodb_uri, database_name) as stopped, ServerProcess(mongodb_uri, database_name) as other:
        async with (
            Client([other.url]) as client,
            connected(stopped.url, ADMIN) as before,
            connected(other.url, ADMIN) as after,
        ):
            await client.visitor("v")
            await send(before, id="1", type="subscribe", payload=SUBSCRIBE)
            await until_leased(client)
            os.kill(stopped.pid, signal.SIGSTOP)
            try:
                await take_over(client, after)
                for _ in range(ROOMS):
                    await client.start("v")
            finally:
                os.kill(stopped.pid, signal.SIGCONT)

            message = await receive(before)
            assert (message["id"], code_of(message)) == ("1", "CONSUMER_BUSY")
            sequences = [(await receive(after))["payload"]["data"]["events"]["sequence"] for _ in range(ROOMS)]
            assert sequences == sorted(set(sequences))


def code_of(message: dict[str, Any]) -> str | None:
    """The code of the error in a `next` or `error` message, or None."""
    payload = message.get("payload")
    errors = payload if message["type"] == "error" else payload.get("errors") if isinstance(payload, dict) else None
    return str(errors[0]["extensions"]["code"]) if errors else None


async def take_over(client: Client, socket: Any) -> None:
    """Subscribe again until the lease of the consumer is free."""
    until, number = time.monotonic() + 90, 0
    while True:
        number += 1
        await send(socket, id=str(number), type="subscribe", payload=SUBSCRIBE)
        try:
            async with asyncio.timeout(3):
                message = await receive(socket)
        except TimeoutError:
            return  # no message: the subscription runs, and no event occurs
        while message["type"] != "error" and code_of(message) is None:
            message = await receive(socket)
        assert code_of(message) == "CONSUMER_BUSY"
        assert time.monotonic() < until
        if message["type"] == "next":
            assert (await receive(socket))["type"] == "complete"
        await asyncio.sleep(0.1)
