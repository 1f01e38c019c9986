"""Operations over HTTP, repeated while the server cannot be reached."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import httpx
import msgspec

from switchboard_client.backoff import DEFAULT_BACKOFF, Backoff
from switchboard_client.errors import ApiError, ConnectionLost, ConsumerBusy, RateLimited, Unavailable, error_of
from switchboard_client.operation import Operation, Response
from switchboard_client.stream import PING_SECONDS, Stream, describe, open_stream

T = TypeVar("T")
logger = logging.getLogger("switchboard_client")

#: The statuses with which a proxy says that it does not reach the server.
GATEWAY_STATUSES = {502, 503, 504}
#: The longest pause of a second copy of an app, so that it takes over soon after the first one ends.
BUSY_SECONDS = 3.0
#: A subscription that was open for so long was served, also if it had no result.
SERVED_SECONDS = 5.0


class Transport:
    """Runs operations with one token. It repeats them for up to `retry_seconds`."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = 30.0,
        retry_seconds: float = 60.0,
        ping_seconds: float = PING_SECONDS,
        backoff: Backoff = DEFAULT_BACKOFF,
        trust_env: bool = False,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"The address {url!r} must begin with http:// or https://.")
        self.url = url
        self._token = token
        self._ping_seconds = ping_seconds
        self._trust_env = trust_env
        self.backoff = backoff
        self._retry_seconds = retry_seconds
        self._http = httpx.AsyncClient(
            timeout=timeout,
            trust_env=trust_env,
            # To load the certificates takes a tenth of a second, and only https:// needs them.
            verify=trust_env or url.startswith("https://"),
            headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
        )

    async def run(self, operation: Operation[T], variables: Mapping[str, Any]) -> T:
        """The result of the operation.

        Raises ApiError for a refusal, and ConnectionLost if there is no response in time.
        """
        body = msgspec.json.encode({"query": operation.document, "variables": variables})
        pauses = self.backoff.pauses()
        give_up_at = asyncio.get_running_loop().time() + self._retry_seconds
        while True:
            try:
                return await self._once(operation, body)
            except (ConnectionLost, Unavailable, RateLimited) as error:
                pause = pause_after(error, pauses)
                may_repeat = operation.repeatable or isinstance(error, RateLimited)
                if not may_repeat or asyncio.get_running_loop().time() + pause > give_up_at:
                    raise
                logger.warning("An operation is repeated in %.1f s: %s", pause, error)
            await asyncio.sleep(pause)

    async def _once(self, operation: Operation[T], body: bytes) -> T:
        try:
            http = await self._http.post(self.url, content=body)
        except httpx.TransportError as error:
            raise ConnectionLost(f"{self.url} does not answer: {describe(error)}") from error
        try:
            response: Response[T] = operation.decoder.decode(http.content)
        except msgspec.DecodeError as error:
            raise self._no_response(http, str(error)) from error
        if response.data is None and not response.errors:
            raise self._no_response(http, "neither data nor errors")
        result = None if response.data is None else response.data.result
        # An error inside a result is about a field of it: the mutation succeeded.
        if response.errors and result is None:
            raise error_of(response.errors)
        return result  # type: ignore[return-value] # None only if the type of the operation allows it

    def _no_response(self, http: httpx.Response, reason: str) -> Exception:
        """The error for a body that is no response of GraphQL, such as the page or the JSON of a proxy."""
        what = f"{self.url} answers with HTTP {http.status_code}"
        if http.status_code in GATEWAY_STATUSES:
            return ConnectionLost(what)
        return ApiError(f"{what}, which is no response of the API ({reason}): {http.text[:200]}")

    def stream(self, operation: Operation[T], variables: Mapping[str, Any]) -> AbstractAsyncContextManager[Stream[T]]:
        """Subscribe on a websocket of its own. It is not repeated when it ends."""
        return open_stream(
            self.url,
            self._token,
            operation,
            variables,
            ping_seconds=self._ping_seconds,
            trust_env=self._trust_env,
        )

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._http.is_closed

    async def close(self) -> None:
        await self._http.aclose()


def pause_after(error: Exception, pauses: Iterator[float]) -> float:
    """How long to wait after this error."""
    pause = next(pauses)
    if isinstance(error, ConsumerBusy):
        return min(pause, BUSY_SECONDS)
    if isinstance(error, RateLimited):
        return max(pause, float(error.extensions.get("retryAfterSeconds", 0)))
    return pause


class Reconnection:
    """The pauses between the connections of one subscription. They start again after a connection that was served."""

    def __init__(self, backoff: Backoff, clock: Callable[[], float] = time.monotonic) -> None:
        self._backoff = backoff
        self._clock = clock
        self._pauses = backoff.pauses()
        self._connected_at: float | None = None

    def connected(self) -> None:
        """The subscription was sent."""
        self._connected_at = self._clock()

    def received(self) -> None:
        """A result arrived."""
        self._pauses = self._backoff.pauses()

    def pause_after(self, error: Exception) -> float:
        """How long to wait before the next connection. The last one ended with this error."""
        if self._connected_at is not None and self._clock() - self._connected_at >= SERVED_SECONDS:
            self._pauses = self._backoff.pauses()
        self._connected_at = None
        return pause_after(error, self._pauses)
