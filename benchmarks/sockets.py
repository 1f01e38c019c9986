"""A server process to measure, its CPU time, and websockets to it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

ROOT = Path(__file__).parents[1]
TOKEN = "benchmark-token"


TICKS = os.sysconf("SC_CLK_TCK")


def cpu(process: int) -> float:
    """The seconds of CPU that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def server(uri: str, database: str, **settings: str) -> Iterator[tuple[str, int]]:
    """Run `switchboard serve` over this MongoDB. Yields its websocket address and process id."""
    own = {"MONGODB_URI": uri, "DATABASE": database, "PORT": "0", "ADMIN_TOKEN": TOKEN, "LOG_LEVEL": "error"}
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "serve"],
        cwd=ROOT,
        env=os.environ | {f"SWITCHBOARD_{name}": value for name, value in (own | settings).items()},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = None
        while found is None:
            line = process.stdout.readline()
            assert line, "the server ended instead of serving"
            found = re.search(r"Websocket +(ws://127\.0\.0\.1:\d+/\S*)", line)
        yield found.group(1), process.pid
    finally:
        process.terminate()
        process.communicate()


@asynccontextmanager
async def connected(url: str, *, token: str = TOKEN) -> AsyncIterator[ClientConnection]:
    protocol = Subprotocol("graphql-transport-ws")
    async with connect(url, subprotocols=[protocol], compression=None, ping_interval=None, close_timeout=1) as socket:
        init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
        await socket.send(json.dumps(init))
        await socket.recv()
        yield socket


async def subscribe(socket: ClientConnection, selection: str, *, name: str = "events") -> None:
    payload = {"query": f"subscription {{ {selection} }}"}
    await socket.send(json.dumps({"id": name, "type": "subscribe", "payload": payload}))


async def mutate(socket: ClientConnection, operation_id: str, name: str, selection: str, fields: Any) -> None:
    query = f"mutation ($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {{ {selection} }} }}"
    payload = {"query": query, "variables": {"input": fields}}
    await socket.send(json.dumps({"id": operation_id, "type": "subscribe", "payload": payload}))


async def start_rooms(socket: ClientConnection, count: int) -> list[str]:
    await mutate(socket, "visitor", "saveVisitor", "visitor { id }", {"token": "v"})
    await receive_payload(socket, "saveVisitor")
    for number in range(count):
        await mutate(socket, f"room {number}", "startRoom", "room { id }", {"visitorToken": "v"})
    found: list[str] = []
    while len(found) < count:
        message = json.loads(await socket.recv())
        if message["type"] == "next":
            found.append(str(message["payload"]["data"]["startRoom"]["room"]["id"]))
    return found


async def receive_payload(socket: ClientConnection, name: str) -> Any:
    payload: Any = None
    while (message := json.loads(await socket.recv()))["type"] != "complete":
        payload = message["payload"]["data"][name]
    return payload
