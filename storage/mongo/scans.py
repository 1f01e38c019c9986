"""Scans: reads that no index answers. Few run at a time, and a cancelled one is killed at the server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorClientSession
from pymongo.errors import PyMongoError

from storage.supervisor import spawn
from storage.threads import SCAN_THREADS, Work, work

T = TypeVar("T")

#: Interval of killSessions while a cancelled scan runs. The first one may arrive before the scan does.
KILL_SECONDS = 0.1


class Scans:
    """The scans of one process. A scan that waits for a slot occupies no thread."""

    def __init__(self, client: AsyncIOMotorClient[Any], *, slots: int = SCAN_THREADS) -> None:
        self._client = client
        self._slots = asyncio.Semaphore(slots)

    async def run(self, read: Callable[[AsyncIOMotorClientSession], Awaitable[T]], *, snapshot: bool = False) -> T:
        """Return what `read` returns. It must read in the given session, which is killed if the caller is cancelled.

        With `snapshot`, all reads in the session see the data of one point in time (mongo/snapshots.py).
        """
        await self._slots.acquire()
        # Starting and ending a session sends nothing to the database, so neither needs a thread.
        session = AsyncIOMotorClientSession(self._client.delegate.start_session(snapshot=snapshot), self._client)

        async def scan() -> T:
            work.set(Work.SCANS)
            try:
                return await read(session)
            finally:
                session.delegate.end_session()
                self._slots.release()

        scanning = spawn(scan(), name="scan")
        try:
            return await asyncio.shield(scanning)
        except asyncio.CancelledError:
            if not scanning.done():
                spawn(self._kill(session, scanning), name="kill a scan", kind=Work.BACKGROUND)
            raise

    async def _kill(self, session: AsyncIOMotorClientSession, scanning: "asyncio.Task[Any]") -> None:
        """Kill the session at the server until the scan has ended. If that fails, `maxTimeMS` ends the scan."""
        session_id = {"id": session.delegate.session_id["id"]}
        while not scanning.done():
            try:
                await self._client.admin.command("killSessions", [session_id])
            except PyMongoError:
                break
            await asyncio.wait({scanning}, timeout=KILL_SECONDS)
        await asyncio.wait({scanning})
        if not scanning.cancelled():
            scanning.exception()  # the caller was cancelled, and does not retrieve it
