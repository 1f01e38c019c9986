"""Requests and connections that have ended leave no work for the garbage collector."""

import asyncio
from typing import Any

import pytest
from websockets.frames import Opcode

from resolvers.context import Services
from server.transport import http_protocol
from server.transport.websocket_protocol import WebSocketProtocol
from server.transport.whole_responses import extension
from tests.freeing import Freed
from tests.server.transport.test_websocket_protocol import HANDSHAKE, masked, pinging

QUERY = b'{"query":"{ __typename }"}'
POST = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(QUERY),
    QUERY,
)


@pytest.mark.usefixtures("no_garbage_collector")
@pytest.mark.parametrize("ending", [b"", masked(Opcode.CLOSE, (1000).to_bytes(2))], ids=["aborted", "closed"])
async def test_a_websocket_that_has_ended_is_freed(
    services: Services, monkeypatch: pytest.MonkeyPatch, ending: bytes
) -> None:
    async with pinging(services) as (_, first):
        opened: asyncio.Queue[Freed] = asyncio.Queue()
        begin = WebSocketProtocol.begin

        def begun(protocol: WebSocketProtocol, *arguments: Any, **fields: Any) -> None:
            begin(protocol, *arguments, **fields)
            opened.put_nowait(Freed(protocol))

        monkeypatch.setattr(WebSocketProtocol, "begin", begun)
        reader, writer = await asyncio.open_connection(*first.get_extra_info("peername"))
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(masked(Opcode.TEXT, b'{"type":"connection_init"}'))
        await reader.readuntil(b"connection_ack")
        writer.write(ending)
        if not ending:
            writer.transport.abort()

        await (await opened.get()).wait()
        writer.close()


@pytest.mark.usefixtures("no_garbage_collector")
async def test_a_request_that_was_answered_is_freed_when_the_next_one_arrives(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    cycles: list[Freed] = []

    def recorded(cycle: Any) -> Any:
        cycles.append(Freed(cycle))
        return extension(cycle)

    monkeypatch.setattr(http_protocol, "extension", recorded)
    async with pinging(services) as (_, first):
        reader, writer = await asyncio.open_connection(*first.get_extra_info("peername"))
        for _ in range(2):
            writer.write(POST)
            await reader.readuntil(b'{"data":{"__typename":"Query"}}')

        await cycles[0].wait()
        writer.close()
