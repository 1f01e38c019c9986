"""Worker processes that serve from one socket: started, restarted when one ends, and stopped together."""

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Never

import uvloop

from server.log_output import log_to_stderr, request_log
from server.process.metrics_server import serving_workers
from server.process.run import ServingError, Startup, run_uvicorn
from server.process.tracing import tracing_by
from server.shutdown import SHUTDOWN_SECONDS
from storage.embedded.preflight import DeploymentError, translating_driver_errors
from storage.errors import SwitchboardError

logger = logging.getLogger(__name__)

#: Least time between two starts of the same worker, so that failing workers do not overload the database.
RESTART_DELAY_SECONDS = 1.0
#: Time that a worker has to stop beyond SHUTDOWN_SECONDS, before it is killed.
STOP_TIMEOUT_SECONDS = 5.0
#: The parent sends this to its workers at its own second signal. They may get SIGTERM twice at the first one: from the
#: parent, and from a supervisor that sends it to all processes of the service.
END_DRAIN = signal.SIGUSR1

#: Spawned and not forked: the parent has threads, which a fork would copy in an undefined state.
_CONTEXT = multiprocessing.get_context("spawn")


class Worker:
    """One server process.

    Through the pipe it sends the admin token that it created, or None, when it is ready, and a ServingError when it
    fails.
    """

    def __init__(self, startup: Startup) -> None:
        self.pipe, worker_end = _CONTEXT.Pipe()
        #: Questions for metrics, and the answers (metrics_server.py).
        self.metrics_pipe, metrics_end = _CONTEXT.Pipe()
        self.process: SpawnProcess = _CONTEXT.Process(target=run_worker, args=(startup, worker_end, metrics_end))
        self.process.start()
        self.started = time.monotonic()
        worker_end.close()
        metrics_end.close()

    def close(self) -> None:
        """Close the pipes of a worker that has ended."""
        self.pipe.close()
        self.metrics_pipe.close()

    def wait_until_ready(self) -> str | None:
        """Wait until the worker serves. Returns the admin token if it created one. Raises ServingError if it ended."""
        try:
            message: str | ServingError | None = self.pipe.recv()
        except EOFError:
            raise ServingError("A worker could not start; its error is above.") from None
        if isinstance(message, ServingError):
            raise message
        return message

    def exit_reason(self) -> str:
        """The process id, how the process ended, and its error if it sent one."""
        self.process.join()
        code = self.process.exitcode or 0
        end = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        with suppress(EOFError, OSError):
            while self.pipe.poll():
                message = self.pipe.recv()
                if isinstance(message, ServingError):
                    return f"{self.process.pid} {end} ({message})"
        return f"{self.process.pid} {end}"


def serve_with_workers(startup: Startup, metrics: socket.socket | None = None) -> Never:
    """Serve until KeyboardInterrupt, then stop every worker. Raises ServingError if a worker cannot start.

    Serves the metrics of all workers at the socket `metrics`.
    """
    workers = [Worker(startup) for _ in range(startup.settings.workers)]
    try:
        tokens = [worker.wait_until_ready() for worker in workers]
        with serving_workers(metrics, startup.settings, workers):
            startup.report_ready(next((token for token in tokens if token is not None), None))
            while True:
                restart_ended(workers, startup)
    finally:
        # The workers accept what the system has queued, and close the last copies of the socket.
        startup.listener.close()
        stop([worker.process for worker in workers], drain_seconds=startup.settings.drain_seconds)


def restart_ended(workers: list[Worker], startup: Startup) -> None:
    """Wait until a worker ends, and start another one in its place."""
    ended = wait([worker.process.sentinel for worker in workers])
    for index, worker in enumerate(workers):
        if worker.process.sentinel in ended:
            logger.error("Worker %s; starting another.", worker.exit_reason())
            worker.close()
            time.sleep(max(0.0, worker.started + RESTART_DELAY_SECONDS - time.monotonic()))
            workers[index] = Worker(startup)


def stop(processes: Sequence[SpawnProcess], *, drain_seconds: float = 0.0) -> None:
    """Send SIGTERM to the processes, and END_DRAIN at an interrupt, which is the second signal to this process.

    At the interrupt after that, or after the deadline, send SIGKILL to those that run.
    """
    try:
        try:
            for process in processes:
                process.terminate()
            _join(processes, drain_seconds + SHUTDOWN_SECONDS + STOP_TIMEOUT_SECONDS)
        except KeyboardInterrupt:
            for process in processes:
                if process.is_alive() and process.pid is not None:
                    os.kill(process.pid, END_DRAIN)
            _join(processes, SHUTDOWN_SECONDS + STOP_TIMEOUT_SECONDS)
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
                process.join()


def _join(processes: Sequence[SpawnProcess], seconds: float) -> None:
    """Wait until the processes have ended, for so long in total."""
    deadline = time.monotonic() + seconds
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))


# ---------------------------------------------------------------- in the worker


def run_worker(startup: Startup, parent: Connection, metrics: Connection) -> None:
    """Serve until SIGTERM, or until the parent process has ended."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a terminal sends these to all processes; the parent sends SIGTERM
    log_to_stderr(startup.settings)
    try:
        with (
            translating_driver_errors(startup.uri),
            tracing_by(startup.settings),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(_serve(startup, parent, metrics))
    except (ServingError, DeploymentError, SwitchboardError) as error:
        parent.send(ServingError(str(error)))
        sys.exit(1)


async def _serve(startup: Startup, parent: Connection, metrics: Connection) -> None:
    from server.app import create_app, start_services
    from server.metrics.process import ProcessMetrics
    from server.process.metrics_answers import MetricsAnswers

    settings = startup.settings
    async with start_services(startup.uri, settings) as (services, admin_token):
        # The parent sends nothing: the pipe becomes readable when the parent has ended.
        asyncio.get_running_loop().add_reader(parent.fileno(), stop_without_parent, parent.fileno())
        app = create_app(services, settings, metrics=ProcessMetrics(request_log(settings)))
        MetricsAnswers(metrics, app.state.metrics, services)
        await run_uvicorn(app, startup.listener, settings, lambda: parent.send(admin_token), end_drain=END_DRAIN)


def stop_without_parent(descriptor: int) -> None:
    """Send SIGTERM to this process. A closed pipe stays readable, so the reader is removed first."""
    asyncio.get_running_loop().remove_reader(descriptor)
    os.kill(os.getpid(), signal.SIGTERM)
