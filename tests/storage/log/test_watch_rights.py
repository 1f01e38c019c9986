"""A MongoDB user that may not open change streams causes one warning, and other errors are raised."""

import asyncio
import logging

import pytest
from pymongo.errors import OperationFailure

from storage.log.watch_rights import ChangeStreamRetry


async def test_an_authorization_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    attempts = 0
    enough = asyncio.Event()

    async def watch() -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 5:
            enough.set()
        raise OperationFailure("not authorized on switchboard to execute command", 13)

    running = asyncio.ensure_future(ChangeStreamRetry("log", watch, retry_seconds=0).run())
    async with asyncio.timeout(60):
        await enough.wait()
    running.cancel()

    (record,) = caplog.records
    assert (record.levelno, "change stream on the collection log" in record.getMessage()) == (logging.WARNING, True)


async def test_other_errors_are_raised() -> None:
    async def watch() -> None:
        raise OperationFailure("interrupted", 11_601)

    with pytest.raises(OperationFailure):
        await ChangeStreamRetry("log", watch).run()
