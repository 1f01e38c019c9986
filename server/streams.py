"""GraphQL over server-sent events (graphql-sse, distinct connections): a stream that ends with its token."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing, suppress
from typing import Any

from strawberry.http.streaming import AsyncTextStream

from resolvers.access import Caller
from server.grants import Grants
from server.quotas import Quotas
from storage.errors import SwitchboardError, Unauthenticated


class Stream:
    """One open stream."""

    def __init__(self) -> None:
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def end(self, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)

    async def until_ended(self, chunks: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
        """The chunks, until they are over; raises Unauthenticated when the token is first."""
        async with aclosing(chunks):
            while True:
                chunk = asyncio.ensure_future(anext(chunks, None))
                waiting: set[asyncio.Future[Any]] = {chunk, self._ended}
                try:
                    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    if self._ended.done():
                        raise Unauthenticated(f"{self._ended.result()}.")
                finally:
                    if not chunk.done():
                        chunk.cancel()
                        with suppress(asyncio.CancelledError):
                            await chunk
                text = chunk.result()
                if text is None:
                    return
                yield text


def held(
    chunks: AsyncTextStream,
    caller: Caller,
    grants: Grants,
    quotas: Quotas,
    refuse: Callable[[SwitchboardError], Iterable[str]],
) -> AsyncTextStream:
    """The stream, as long as the caller's token is valid and the caller has not too many; `refuse` writes why it is
    over."""

    async def stream() -> AsyncGenerator[str, None]:
        token_id, holder = caller.token_id, Stream()
        try:
            with quotas.operation(caller):
                if token_id is not None and (await grants.hold(token_id, holder)).actor is None:
                    raise Unauthenticated("The token has ended.")
                async with aclosing(holder.until_ended(chunks())) as rest:
                    async for chunk in rest:
                        yield chunk
        except SwitchboardError as error:
            for chunk in refuse(error):
                yield chunk
        finally:
            if token_id is not None:
                grants.release(token_id, holder)

    return stream
