"""Retries while the database fails in a way that may pass, such as a failover.

The driver blocks one of few threads while it waits for a primary. Its own time-outs are therefore short
(mongo/connection.py), and this module waits on the event loop instead, which occupies no thread.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pymongo.errors import PyMongoError

from storage.errors import Unavailable
from storage.mongo.connection import Database, is_transient
from storage.mongo.deadlines import exceeded, time_limit_by_default

T = TypeVar("T")

RETRY_INTERVAL_SECONDS = 0.05


async def with_retries(
    call: Callable[[], Awaitable[T]],
    *,
    retry_on: Callable[[PyMongoError], bool] = is_transient,
    seconds: float | None = None,
    interval: float = RETRY_INTERVAL_SECONDS,
) -> T:
    """Call until it succeeds, and return its result.

    Raises an error for which `retry_on` is false, and the first error after `seconds` of failures in a row.
    """
    loop = asyncio.get_running_loop()
    give_up_at: float | None = None
    while True:
        try:
            return await call()
        except PyMongoError as error:
            if give_up_at is None and seconds is not None:
                give_up_at = loop.time() + seconds
            if not retry_on(error) or (give_up_at is not None and loop.time() > give_up_at):
                raise
        await asyncio.sleep(interval)


async def read_with_retries(database: Database, read: Callable[[], Awaitable[T]]) -> T:
    """Return what `read` returns, which is called again after transient errors.

    Raises Unavailable when the read exceeds its time limit, and when there is no primary, or every attempt fails, for
    the read time-out. A slow read on a healthy database continues until its time limit.
    """
    timeout = asyncio.timeout(None)
    check = _PrimaryCheck(database, timeout)

    async def attempt() -> T:
        if not database.has_primary:
            await database.wait_for_primary()
        return await read()

    check.start()
    try:
        async with timeout:
            with time_limit_by_default():
                return await with_retries(
                    attempt,
                    retry_on=lambda error: is_transient(error) and not exceeded(error),
                    seconds=database.timings.read_timeout,
                )
    except PyMongoError as error:
        if exceeded(error):
            raise Unavailable(
                "The read took too long; ask for less, or filter by what an index answers.", retryable=True
            ) from error
        if not is_transient(error):
            raise
        raise _unavailable() from error
    except TimeoutError:
        if not timeout.expired():
            raise
        raise _unavailable() from None
    finally:
        check.stop()


class _PrimaryCheck:
    """Lets a timeout expire if there is no primary after the read time-out, or later."""

    __slots__ = ("_database", "_timeout", "_timer")

    def __init__(self, database: Database, timeout: asyncio.Timeout) -> None:
        self._database = database
        self._timeout = timeout
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._check_after(self._database.timings.read_timeout)

    def stop(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _check_after(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._check)

    def _check(self) -> None:
        if self._database.has_primary:
            self._check_after(1)
        else:
            self._timeout.reschedule(asyncio.get_running_loop().time())


def _unavailable() -> Unavailable:
    return Unavailable("The database did not answer in time; try again.", retryable=True)
