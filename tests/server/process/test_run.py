"""A server collects garbage less often while it runs."""

import gc
import socket

import pytest

from resolvers.context import Services
from server.app import create_app
from server.process.garbage import THRESHOLDS
from server.process.run import run_uvicorn
from server.process.uvicorn_server import Server
from server.settings import Settings
from tests.processes import ADMIN_TOKEN


async def test_thresholds_hold_while_the_server_runs(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    before = gc.get_threshold()
    during = []

    async def serve(_: Server, sockets: list[socket.socket]) -> None:
        during.append(gc.get_threshold())

    monkeypatch.setattr(Server, "serve", serve)
    settings = Settings(admin_token=ADMIN_TOKEN)
    with socket.socket() as listener:
        await run_uvicorn(create_app(services, settings), listener, settings, lambda: None)

    assert during == [THRESHOLDS]
    assert gc.get_threshold() == before
