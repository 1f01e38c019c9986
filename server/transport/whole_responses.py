"""Responses of which everything is known: header and body are written at once.

An extension of ASGI, whose messages give the header and the body one after the other. uvicorn searches each field of a
header by regular expressions; the fields of these responses are constants and numbers of the application.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias, TypedDict
from weakref import ref

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

#: The key of the extension in the scope of a request.
WHOLE_RESPONSE_EXTENSION: Final = "switchboard.whole_response"
#: Sends the status, the lines of the header, and the body. The lines must have content-length.
SendWhole: TypeAlias = Callable[[int, bytes, bytes], Awaitable[None]]


class WholeResponses(TypedDict):
    """The extension."""

    send: SendWhole


def extension(cycle: RequestResponseCycle) -> WholeResponses:
    """The extension for one request, which is not a HEAD request. It may be used until the application returns."""
    # The scope of the request has the extension. If it held the cycle, which has the scope, the memory of both would
    # stay in use until the garbage collector runs.
    return {"send": partial(send_whole, ref(cycle))}


async def send_whole(reference: "ref[RequestResponseCycle]", status: int, lines: bytes, body: bytes) -> None:
    """Send a response, as `cycle.send` does with the two messages of ASGI."""
    cycle = reference()
    assert cycle is not None
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    defaults = b"".join(b"%b: %b\r\n" % field for field in cycle.default_headers)
    end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
    cycle.transport.write(b"".join((STATUS_LINE[status], defaults, lines, end, body)))
    cycle.waiting_for_100_continue = False
    cycle.response_started = cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
