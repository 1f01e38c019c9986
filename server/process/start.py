"""Starts the server in this process or in several workers."""

import asyncio
import socket
import time
from functools import partial

import uvloop

from server.process.run import bind, log_to_stderr, open_deployment, report_ready, run_uvicorn
from server.process.workers import serve_with_workers
from server.settings import Settings
from server.transport.connections import raise_descriptor_limit


def serve(settings: Settings) -> None:
    """Serve until a stop signal, then stop the embedded MongoDB.

    Raises ServingError and DeploymentError if the server cannot start.
    """
    started = time.monotonic()
    log_to_stderr(settings)
    raise_descriptor_limit()
    with bind(settings.host, settings.port) as listener, open_deployment(settings) as uri:
        if settings.workers > 1:
            serve_with_workers(listener, uri, settings, started)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve_in_process(listener, uri, settings, started))


async def serve_in_process(listener: socket.socket, uri: str, settings: Settings, started: float) -> None:
    # Imported here: it takes as long as mongod takes to start, and commands that serve nothing do not need it.
    from server.app import create_app, start_services

    async with start_services(uri, settings) as (services, admin_token):
        on_ready = partial(report_ready, settings, listener, started, admin_token)
        await run_uvicorn(create_app(services, settings), listener, settings, on_ready)
