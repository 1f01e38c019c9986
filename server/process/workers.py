"""Several processes that serve from one socket: started, started again when one dies, and ended together."""

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

from server.process.run import ServingError, log_to_stderr, report_ready, run_uvicorn
from server.settings import Settings
from server.shutdown import SHUTDOWN_SECONDS
from storage.embedded.preflight import DeploymentError, translating_driver_errors
from storage.errors import SwitchboardError

logger = logging.getLogger(__name__)

#: Between two starts of a worker that cannot live, so that a broken database is not stormed.
RESTART_DELAY_SECONDS = 1.0
#: What ending may take beyond draining, before a worker is killed.
STOP_TIMEOUT_SECONDS = 5.0

#: Spawned and not forked: the parent has threads by now, and a worker should know nothing of it.
_CONTEXT = multiprocessing.get_context("spawn")


class Worker:
    """One process that serves."""

    def __init__(self, bound: socket.socket, uri: str, settings: Settings) -> None:
        self.link, theirs = _CONTEXT.Pipe()
        self.process: SpawnProcess = _CONTEXT.Process(target=run_worker, args=(bound, uri, settings, theirs))
        self.process.start()
        self.started = time.monotonic()
        theirs.close()

    def admin_token(self) -> str | None:
        """Wait until it serves, and the admin token if it had to make one. Raises ServingError when it ended."""
        try:
            told: str | ServingError | None = self.link.recv()
        except EOFError:
            raise ServingError("A worker could not start; what it said is above.") from None
        if isinstance(told, ServingError):
            raise told
        return told

    def exit_reason(self) -> str:
        """How it ended, and why if it said so."""
        self.process.join()
        code = self.process.exitcode or 0
        end = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        with suppress(EOFError, OSError):
            while self.link.poll():
                told = self.link.recv()
                if isinstance(told, ServingError):
                    return f"{self.process.pid} {end} ({told})"
        return f"{self.process.pid} {end}"


def serve_with_workers(bound: socket.socket, uri: str, settings: Settings, started: float) -> Never:
    """Serve until KeyboardInterrupt, and end every worker then. Raises ServingError when they cannot begin."""
    workers = [Worker(bound, uri, settings) for _ in range(settings.workers)]
    try:
        tokens = [worker.admin_token() for worker in workers]
        report_ready(settings, bound, started, next((token for token in tokens if token is not None), None))
        while True:
            ended = wait([worker.process.sentinel for worker in workers])
            for index, worker in enumerate(workers):
                if worker.process.sentinel in ended:
                    logger.error("Worker %s; starting another.", worker.exit_reason())
                    worker.link.close()
                    time.sleep(max(0.0, worker.started + RESTART_DELAY_SECONDS - time.monotonic()))
                    workers[index] = Worker(bound, uri, settings)
    finally:
        stop([worker.process for worker in workers])


def stop(processes: Sequence[SpawnProcess]) -> None:
    """End them as SIGTERM does, and those that cannot, or when asked a second time, at once."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + SHUTDOWN_SECONDS + STOP_TIMEOUT_SECONDS
    try:
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
                process.join()


# ---------------------------------------------------------------- in the worker


def run_worker(bound: socket.socket, uri: str, settings: Settings, parent: Connection) -> None:
    """Serve from the socket until SIGTERM, or until the parent is gone."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the terminal tells everybody, and the parent tells us
    log_to_stderr(settings)
    try:
        with translating_driver_errors(uri), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(bound, uri, settings, parent))
    except (ServingError, DeploymentError, SwitchboardError) as error:
        parent.send(ServingError(str(error)))
        sys.exit(1)


async def _serve(bound: socket.socket, uri: str, settings: Settings, parent: Connection) -> None:
    from server.app import create_app, start_services

    async with start_services(uri, settings) as (services, admin_token):
        # The parent never says anything: there is something to read when it is no more.
        asyncio.get_running_loop().add_reader(parent.fileno(), parent_gone, parent.fileno())
        await run_uvicorn(create_app(services, settings), bound, settings, lambda: parent.send(admin_token))


def parent_gone(link: int) -> None:
    """End this process, once: a closed pipe can be read for ever, and the loop would do nothing else until the end."""
    asyncio.get_running_loop().remove_reader(link)
    os.kill(os.getpid(), signal.SIGTERM)
