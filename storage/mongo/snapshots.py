"""Several reads that see the data of one moment, without a transaction."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo.errors import OperationFailure

from storage.mongo.connection import Database

T = TypeVar("T")

#: MongoDB cannot read a collection as of a moment before one of its indexes was created, or before its history.
_NO_SNAPSHOT = frozenset({239, 246})
#: Attempts to read, and the pause between two of them: an index is new for as long as a majority does not have it.
ATTEMPTS = 50
PAUSE_SECONDS = 0.1


async def read_snapshot(
    database: Database, read: Callable[[AsyncIOMotorClientSession], Awaitable[T]], *, scan: bool
) -> T:
    """What `read` reads in the session that it is given: find, aggregate and count see the data of one moment.

    A `scan` waits for a slot (scans.py).
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
