"""The stand-in as an ASGI application, and as a server on loopback."""

import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

from examples.salesforce_chat.stand_in.control import Control
from examples.salesforce_chat.stand_in.conversations import Service
from examples.salesforce_chat.stand_in.errors import Refusal
from examples.salesforce_chat.stand_in.faults import Faults
from examples.salesforce_chat.stand_in.routes import Deployment, Routes, refused
from examples.salesforce_chat.stand_in.store import Store
from examples.salesforce_chat.stand_in.tokens import Tokens

ORG_ID = "00D5g000004ABCDEA2"
DEVELOPER_NAME = "Switchboard_Bridge"
ISSUER = "switchboard"


@dataclass(frozen=True, slots=True)
class Options:
    path: str = ":memory:"
    guest_seconds: float = 3600
    verified_seconds: float = 6 * 3600
    #: The public key of identity tokens, as PEM. Empty: verified tokens are refused.
    public_key: str = ""
    messages_per_minute: int = 22
    replay: int = 100
    ping_seconds: float = 5


def create_app(options: Options) -> Starlette:
    store = Store(options.path)
    tokens = Tokens(store, options.guest_seconds, options.verified_seconds, options.public_key, ISSUER)
    service = Service(store, options.messages_per_minute)
    deployment = Deployment(ORG_ID, DEVELOPER_NAME, options.replay, options.ping_seconds)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        store.close()

    return Starlette(
        routes=[*Routes(deployment, store, service, tokens).routes(), *Control(store, service, tokens).routes()],
        exception_handlers={Refusal: refused},
        middleware=[Middleware(Faults, store=store)],
        lifespan=lifespan,
    )


def create_server(options: Options) -> uvicorn.Server:
    """A server for a bound socket. When it stops, it ends the streams."""
    config = uvicorn.Config(create_app(options), log_level="error", ws="none", timeout_graceful_shutdown=1)
    return uvicorn.Server(config)


class StandIn:
    """A context with the stand-in on a free port of loopback, in a thread of its own."""

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server: uvicorn.Server | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def _run(self) -> None:
        self._server = create_server(self._options)
        self._started.set()
        self._server.run(sockets=[self._socket])

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
