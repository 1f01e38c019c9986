"""A user that may not open change streams is told of once."""

import asyncio
import logging

import pytest
from pymongo.errors import OperationFailure

from storage.log import watch_rights
from storage.log.watch_rights import WithoutRight


async def test_a_missing_right_is_logged_once_however_often_it_is_missed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_rights, "RETRY_SECONDS", 0)
    attempts = 0
    enough = asyncio.Event()

    async def watch() -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 5:
            enough.set()
        raise OperationFailure("not authorized on switchboard to execute command", 13)

    running = asyncio.ensure_future(WithoutRight("log", watch).run())
    async with asyncio.timeout(10):
        await enough.wait()
    running.cancel()

    (record,) = caplog.records
    assert (record.levelno, "change stream on the collection log" in record.getMessage()) == (logging.WARNING, True)


async def test_other_errors_are_left_to_the_supervisor() -> None:
    async def watch() -> None:
        raise OperationFailure("interrupted", 11_601)

    with pytest.raises(OperationFailure):
        await WithoutRight("log", watch).run()
