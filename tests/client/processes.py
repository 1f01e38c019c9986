"""Apps as processes, and what they do to conversations."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from switchboard_client import Api
from tests.client.support import until
from tests.processes import ROOT


@asynccontextmanager
async def app_process(
    api: Api, consumer: str, command: Sequence[str | Path], **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The app of that command, which reads for the consumer. It is killed when the block ends, if it still runs."""
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=os.environ | settings)

    async def reads() -> bool:
        return any(one.name == consumer and one.connected for one in await api.consumers() or ())

    try:
        await until(reads)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def start_room(api: Api, name: str | None) -> str:
    """The id of a new room of a visitor with that name."""
    token = f"visitor-{secrets.token_hex(6)}"
    await api.save_visitor(token=token, name=name)
    return (await api.start_room(visitor_token=token)).room.id


async def texts(api: Api, room: str) -> list[str]:
    """The texts of the messages of the room."""
    document = "query($room: ID!) { result: room(by: {id: $room}) { messages { nodes { text } } } }"
    found = await api.query(document, {"room": room})
    return [message["text"] for message in found["messages"]["nodes"]]


async def all_answered(api: Api, rooms: Sequence[str]) -> bool:
    """Whether each room has a message."""
    return all([await texts(api, room) for room in rooms])
