"""Snapshot reads: several reads of the data at one time, without a transaction."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo.errors import OperationFailure

from storage.mongo.connection import Database

T = TypeVar("T")

#: Error codes: the snapshot is older than an index of the collection, or than the history that MongoDB keeps.
_NO_SNAPSHOT = frozenset({239, 246})
#: The limit of attempts, and the pause between them. A new index prevents snapshots until a majority has it.
ATTEMPTS = 50
PAUSE_SECONDS = 0.1


async def read_snapshot(
    database: Database, read: Callable[[AsyncIOMotorClientSession], Awaitable[T]], *, scan: bool
) -> T:
    """Call `read` with a snapshot session, in which find, aggregate and count see the data at one time.

    With `scan`, it waits for a slot (scans.py).
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            if scan:
                return await database.scans.run(read, snapshot=True)
            client = database.client
            session = AsyncIOMotorClientSession(client.delegate.start_session(snapshot=True), client)
            try:
                return await read(session)
            finally:
                session.delegate.end_session()
        except OperationFailure as error:
            if error.code not in _NO_SNAPSHOT or attempt == ATTEMPTS:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
    raise AssertionError("the loop returns or raises")
