"""Sends requests to the receivers of webhooks.

The name of a receiver is resolved here, its addresses are checked, and the connection is made to a checked address: a
name that resolves to another address a moment later changes nothing. No redirect is followed, no cookie is kept, and no
proxy or credential is taken from the environment.
"""

import asyncio
import logging
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from ipaddress import ip_address
from typing import TypeAlias

import certifi
import httpx

from resolvers.webhook_addresses import SETTING, AddressPolicy, Target
from server.webhooks.lookups import Lookups
from server.webhooks.shares import Shares

logger = logging.getLogger(__name__)

#: Resolves a name to addresses, for an owner.
Resolve: TypeAlias = Callable[[str, str, int], Awaitable[Sequence[str]]]

OK = range(200, 300)
#: Addresses of one name that are tried.
MAX_ADDRESSES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SendLimits:
    """The limits of requests."""

    connect_seconds: float = 5.0
    #: From the resolution of the name to the status of the response.
    total_seconds: float = 15.0
    #: What is read of the body of a response, and for how long, so that the connection can be used again.
    response_bytes: int = 16 * 1024
    response_seconds: float = 1.0
    #: The longest body of a request.
    body_bytes: int = 1024 * 1024
    #: Requests of one process at a time, and those of one owner among them.
    concurrent: int = 64
    concurrent_per_owner: int = 8
    #: How long the addresses of a name are used.
    resolved_seconds: float = 30.0


DEFAULT_LIMITS = SendLimits()


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a request."""

    seconds: float
    #: None if there was no response.
    status: int | None = None
    #: Why the request failed, without anything of the request or the response but the status. None if it succeeded.
    error: str | None = None
    #: The seconds of the header Retry-After.
    retry_after: float | None = None


class AddressRefused(Exception):
    """The name of the receiver has no address to which anything may be sent."""


@cache
def default_tls() -> ssl.SSLContext:
    """Trusts the authorities of the machine, those of SSL_CERT_FILE, and those of certifi."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


class Sender:
    """Sends the requests of one process."""

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        limits: SendLimits = DEFAULT_LIMITS,
    ) -> None:
        self.policy = policy
        self.resolve = resolve or Lookups().resolve
        self.tls = tls
        self.limits = limits
        #: A permit is needed for the time of an attempt.
        self.slots = Shares(limits.concurrent, limits.concurrent_per_owner)

    @asynccontextmanager
    async def connect(self, target: Target, owner_id: str) -> AsyncIterator["Receiver"]:
        """The receiver at a URL, for a webhook of the owner. Its connection is closed when the block ends."""
        # A connection is found again by its address alone. So receivers with different names share none.
        async with httpx.AsyncHTTPTransport(
            verify=self.tls or default_tls(), trust_env=False, limits=httpx.Limits(max_connections=1)
        ) as transport:
            yield Receiver(self, target, owner_id, transport)


class Receiver:
    """The receiver of one webhook."""

    def __init__(self, sender: Sender, target: Target, owner_id: str, transport: httpx.AsyncHTTPTransport) -> None:
        self._sender = sender
        self._target = target
        self._owner_id = owner_id
        self._transport = transport
        self._addresses: Sequence[str] = ()
        self._resolved_at = 0.0

    async def post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a request and return its result. Raises nothing that the receiver or the network causes."""
        limits, clock = self._sender.limits, asyncio.get_running_loop().time
        if len(body) > limits.body_bytes:
            return Answer(0.0, error=f"the event takes {len(body):,} bytes, more than {limits.body_bytes:,}")
        started = clock()
        try:
            async with asyncio.timeout(limits.total_seconds):
                response = await self._post(headers, body)
        except TimeoutError:
            return Answer(clock() - started, error=f"no response within {limits.total_seconds:g} s")
        except (AddressRefused, httpx.HTTPError, OSError, UnicodeError) as error:
            return Answer(clock() - started, error=_describe(error, limits))
        seconds, status = clock() - started, response.status_code
        await self._drain(response)
        failed = None if status in OK else f"the status is {status}"
        return Answer(seconds, status, failed, _retry_after(response.headers.get("retry-after")))

    async def _post(self, headers: Mapping[str, str], body: bytes) -> httpx.Response:
        """The response, whose body is not read yet."""
        addresses = await self._checked_addresses()
        for number, address in enumerate(addresses, start=1):
            try:
                return await self._transport.handle_async_request(self._request(address, headers, body))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise AssertionError("there is an address")

    async def _checked_addresses(self) -> Sequence[str]:
        """The addresses that may be connected to. Raises AddressRefused if there is none."""
        target, now = self._target, asyncio.get_running_loop().time()
        if not self._addresses or now - self._resolved_at > self._sender.limits.resolved_seconds:
            found = await self._sender.resolve(self._owner_id, target.host, target.port)
            refusals = {one: self._sender.policy.refusal(target, ip_address(one)) for one in found}
            allowed = [one for one, refusal in refusals.items() if refusal is None]
            if not allowed:
                reason = next(filter(None, refusals.values()), "it has no address")
                # The owner does not learn the addresses of names inside.
                logger.info("The host %s of a webhook leads to no allowed address: %s", target.host, reason)
                raise AddressRefused
            self._addresses, self._resolved_at = allowed[:MAX_ADDRESSES], now
        return self._addresses

    def _request(self, address: str, headers: Mapping[str, str], body: bytes) -> httpx.Request:
        target, limits = self._target, self._sender.limits
        connect, rest = limits.connect_seconds, limits.total_seconds
        return httpx.Request(
            "POST",
            httpx.URL(scheme=target.scheme, host=address, port=target.port, raw_path=target.path.encode()),
            headers={**headers, "host": target.authority, "content-length": str(len(body))},
            content=body,
            # The certificate is checked against the name of the URL, and not against the address.
            extensions={
                "sni_hostname": target.host,
                "timeout": {"connect": connect, "read": rest, "write": rest, "pool": rest},
            },
        )

    async def _drain(self, response: httpx.Response) -> None:
        """Read the body, so that the connection can be used again. A body that is too long or too slow closes it."""
        limits, size = self._sender.limits, 0
        try:
            with suppress(TimeoutError, httpx.HTTPError):
                async with asyncio.timeout(limits.response_seconds):
                    async for chunk in response.aiter_raw():
                        size += len(chunk)
                        if size > limits.response_bytes:
                            return
        finally:
            await response.aclose()


def _retry_after(value: str | None) -> float | None:
    """The seconds of a Retry-After header, from now on. None if there is none, or if it is neither number nor date."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
        return max(0.0, moment.timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _describe(error: Exception, limits: SendLimits) -> str:
    """What failed. Without the texts of errors of the protocol, which may quote what the receiver sent."""
    match error:
        case AddressRefused():
            return f"the host leads to no allowed address; {SETTING}"
        case socket.gaierror():
            return "the host cannot be resolved"
        case httpx.ConnectTimeout():
            return f"no connection within {limits.connect_seconds:g} s"
        case httpx.ConnectError():
            return _describe_connection(error)
        case httpx.TimeoutException():
            return f"no response within {limits.total_seconds:g} s"
        case httpx.NetworkError() | httpx.RemoteProtocolError():
            return "the connection ended without a response"
    return "the request failed"


def _describe_connection(error: BaseException) -> str:
    """Why there is no connection."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is not valid: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "the receiver does not speak TLS as it should"
        if isinstance(cause, OSError) and cause.errno:
            return f"no connection: {os.strerror(cause.errno)}"
        cause = cause.__cause__ or cause.__context__
    return "no connection"
