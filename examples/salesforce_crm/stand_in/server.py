"""Serves an org on loopback, with a connected app whose key is made for it."""

import asyncio
import functools
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from typing_extensions import override

from examples.salesforce_crm.stand_in.org import Org
from examples.salesforce_crm.stand_in.sessions import ConnectedApp

CLIENT_ID = "3MVG9.stand-in.connected.app"
CLIENT_SECRET = "the-secret-of-the-stand-in"  # noqa: S105 (it opens nothing but the stand-in)
USERNAME = "bridge@example.com"
AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")


@dataclass(frozen=True, slots=True)
class StandIn:
    """A served org. `private_key` is the key in PEM that signs assertions of the connected app."""

    url: str
    org: Org
    private_key: str


@asynccontextmanager
async def serve_stand_in(port: int = 0) -> AsyncIterator[StandIn]:
    """Serve an empty org until the block ends."""
    private_key, public_key = _keys()
    audiences = list(AUDIENCES)
    app = ConnectedApp(CLIENT_ID, CLIENT_SECRET, public_key, audiences, {USERNAME}, USERNAME)
    org = Org(app)
    config = uvicorn.Config(
        org.application, log_level="warning", lifespan="off", access_log=False, timeout_graceful_shutdown=1
    )
    server = _Server(config)
    with socket.create_server(("127.0.0.1", port)) as bound:
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        try:
            await server.ready.wait()
            url = f"http://127.0.0.1:{bound.getsockname()[1]}"
            audiences.append(url)
            yield StandIn(url, org, private_key)
        finally:
            server.should_exit = True
            await serving


def make_keys() -> tuple[str, str]:
    """A new private key and its public key, in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


@functools.cache
def _keys() -> tuple[str, str]:
    """The keys of the connected app. They are made once in a process, because that takes time."""
    return make_keys()


class _Server(uvicorn.Server):
    """uvicorn inside a running event loop. It leaves signals to the program."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()
