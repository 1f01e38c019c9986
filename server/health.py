"""The health checks and the version of one process, as JSON over HTTP. docs/deployment.md describes them."""

import asyncio
from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from storage.errors import Unavailable
from storage.mongo.data_version import DATA_VERSION
from storage.runtime import Storage

VERSION = version("switchboard")
PING_SECONDS = 2.0
#: A process writes a heartbeat twice a second. Without a write for this long, it is not ready.
WRITE_SECONDS = 5.0
#: A process reads the log to its end twice a second. If it has not reached the end for this long, it is not ready.
TAIL_SECONDS = 10.0
STOPPING = "the server is stopping"
DATABASE_AWAY = "MongoDB does not answer"
NO_WRITES = (
    "MongoDB answers, but takes no writes: unlock it if it is locked (db.fsyncUnlock()), "
    "and free space if its disk is full"
)


async def report_version(request: Request) -> Response:
    return JSONResponse({"version": VERSION, "dataVersion": DATA_VERSION})


async def report_liveness(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def report_readiness(request: Request) -> Response:
    """Status 503 if the process cannot serve, otherwise 200 with the problems that need attention."""
    if request.app.state.shutdown.announced:
        return JSONResponse({"status": "unavailable", "reason": STOPPING}, status_code=503)
    storage = request.app.state.services.storage
    if (reason := await database_problem(storage, request.app.state.write_seconds)) is not None:
        return JSONResponse({"status": "unavailable", "reason": reason}, status_code=503)
    problems = list_problems(storage)
    if (reason := task_problem(storage) or tail_problem(storage)) is not None:
        return JSONResponse({"status": "unavailable", "reason": reason, "problems": problems}, status_code=503)
    return JSONResponse({"status": "degraded", "problems": problems} if problems else {"status": "ok"})


async def database_problem(storage: Storage, write_seconds: float) -> str | None:
    """Why the database cannot be used, or None."""
    try:
        async with asyncio.timeout(PING_SECONDS):
            await storage.database.ping()
    except (Unavailable, TimeoutError):
        return DATABASE_AWAY
    return NO_WRITES if storage.process.seconds_without_write > write_seconds else None


def task_problem(storage: Storage) -> str | None:
    """Which necessary background tasks fail, or None."""
    stopped = [failure.name for failure in storage.supervisor.failures() if failure.prevents_serving]
    return f"background task fails: {', '.join(stopped)}" if stopped else None


def tail_problem(storage: Storage) -> str | None:
    """How far the process is behind the end of the log, if subscribers would notice; otherwise None."""
    seconds = storage.feed.seconds_behind
    if seconds <= TAIL_SECONDS:
        return None
    return f"events are late: this process last read the log to its end {seconds:.0f} s ago"


def list_problems(storage: Storage) -> list[dict[str, object]]:
    """Failing background tasks, records that cannot be decoded, and a clock that differs from the database's."""
    problems: list[dict[str, object]] = [
        {
            "problem": "background task fails",
            "task": failure.name,
            "error": failure.error,
            "failures": failure.count,
            "since": failure.since.isoformat(timespec="seconds"),
        }
        for failure in storage.supervisor.failures()
    ]
    problems += [
        {"problem": "records cannot be decoded by this version", "collection": collection, "records": count}
        for collection, count in storage.database.undecodable.counts.items()
    ]
    if (difference := storage.database.clock.difference) is not None:
        seconds = round(difference.total_seconds(), 1)
        problems.append({"problem": "clock differs from the database's", "seconds": seconds})
    return problems
