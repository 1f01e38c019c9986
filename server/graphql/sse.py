"""GraphQL over server-sent events (graphql-sse, distinct connections mode)."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing, suppress
from typing import Any

from strawberry.http import GraphQLHTTPResponse
from strawberry.http.streaming import AsyncTextStream, JSONEncoder, SSETransport
from typing_extensions import override

from resolvers.auth import access
from resolvers.auth.access import Caller
from schema.execution.cohorts import Delivery
from server.auth.rate_limits import RequestRateLimits
from server.auth.revocation import CHANGED, TokenRevocation
from server.metrics.operations import Observation
from server.shutdown import Shutdown, shutdown_error
from storage.errors import SwitchboardError, Unauthenticated


class EncodedEvent:
    """An event as JSON text, with its cursor if it has one."""

    def __init__(self, delivery: Delivery) -> None:
        self.text = delivery.encoded.decode()
        self.cursor = delivery.cursor


class EventStream(SSETransport):
    """Server-sent events. The id of each is its cursor, if it has one. Clients send it as Last-Event-ID to resume."""

    @override
    def encode_next(self, response: GraphQLHTTPResponse | EncodedEvent, encode_json: JSONEncoder) -> str:
        if isinstance(response, EncodedEvent):
            event = self.encode_event("next", response.text)
            return event if response.cursor is None else f"id: {response.cursor}\r\n{event}"
        return super().encode_next(response, encode_json)


class ShuttingDown(Exception):
    """The process is shutting down; the stream ends without an error."""


class SseStream:
    """One open stream: of a subscription (`follows`), or of a single response."""

    def __init__(self, *, follows: bool) -> None:
        self._follows = follows
        #: The reason why the stream ends early.
        self._ended: asyncio.Future[SwitchboardError | ShuttingDown] = asyncio.get_running_loop().create_future()

    async def revoke(self, reason: str) -> None:
        self._stop(Unauthenticated(f"{reason}."))

    async def drain(self, deadline: float) -> None:
        if self._follows:
            self._stop(ShuttingDown())
            return
        await asyncio.sleep(deadline - asyncio.get_running_loop().time())
        self._stop(shutdown_error(retryable=False))

    def _stop(self, reason: SwitchboardError | ShuttingDown) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)

    async def until_ended(self, chunks: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
        """The chunks. Raises the reason if the stream ends early."""
        async with aclosing(chunks):
            while True:
                chunk = asyncio.ensure_future(anext(chunks, None))
                waiting: set[asyncio.Future[Any]] = {chunk, self._ended}
                try:
                    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    if self._ended.done():
                        raise self._ended.result()
                finally:
                    if not chunk.done():
                        chunk.cancel()
                        with suppress(asyncio.CancelledError):
                            await chunk
                text = chunk.result()
                if text is None:
                    return
                yield text


def guarded(
    chunks: AsyncTextStream,
    caller: Caller,
    *,
    follows: bool,
    revocation: TokenRevocation,
    rate_limits: RequestRateLimits,
    shutdown: Shutdown,
    complete: str,
    refuse: Callable[[SwitchboardError], Iterable[str]],
    observation: Observation,
) -> AsyncTextStream:
    """A stream of the chunks that ends when the caller's token is revoked, or when the process shuts down.

    The stream counts as an operation of the caller. It ends with `refuse(error)` if it is refused or revoked, and with
    `complete` if the process shuts down. `observation` finishes with it.
    """

    async def stream() -> AsyncGenerator[str, None]:
        token_id, open_stream = caller.token_id, SseStream(follows=follows)
        try:
            with rate_limits.count_operation(caller), shutdown.tracking(open_stream):
                if token_id is not None:
                    current = await revocation.register(token_id, open_stream)
                    if current.actor is None:
                        raise Unauthenticated("The token has ended.")
                    if access.effective_permissions(current) != access.effective_permissions(caller):
                        raise Unauthenticated(f"{CHANGED}.")
                async with aclosing(open_stream.until_ended(chunks())) as limited:
                    async for chunk in limited:
                        yield chunk
        except SwitchboardError as error:
            observation.finish(error)
            for chunk in refuse(error):
                yield chunk
        except ShuttingDown:
            yield complete
        finally:
            observation.finish()
            if token_id is not None:
                revocation.unregister(token_id, open_stream)

    return stream
