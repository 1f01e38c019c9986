"""Starts the server in this process or in several workers."""

import asyncio
import socket
import time
from contextlib import nullcontext
from functools import partial

import uvloop

from server.log_output import log_to_stderr, request_log
from server.process.metrics_server import bind_metrics, metrics_address, serve_metrics
from server.process.run import Startup, bind, open_deployment, run_uvicorn
from server.process.tracing import tracing_by
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
    with (
        bind(settings.host, settings.port) as listener,
        bind_metrics(settings) or nullcontext() as metrics,
        open_deployment(settings) as uri,
    ):
        startup = Startup(settings, listener, uri, started, metrics_address(metrics))
        if settings.workers > 1:
            serve_with_workers(startup, metrics)
        with tracing_by(settings), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve_in_process(startup, metrics))


async def serve_in_process(startup: Startup, metrics: socket.socket | None = None) -> None:
    # Imported here: it takes as long as mongod takes to start, and commands that serve nothing do not need it.
    from server.app import create_app, start_services
    from server.metrics.process import ProcessMetrics
    from server.process.metrics_answers import collect_one

    settings = startup.settings
    async with start_services(startup.uri, settings) as (services, admin_token):
        on_ready = partial(startup.report_ready, admin_token)
        app = create_app(services, settings, metrics=ProcessMetrics(request_log(settings)))
        if metrics is not None:
            collect = partial(collect_one, app.state.metrics, services)
            services.storage.supervisor.supervise("serve metrics", partial(serve_metrics, metrics, settings, collect))
        await run_uvicorn(app, startup.listener, settings, on_ready)
