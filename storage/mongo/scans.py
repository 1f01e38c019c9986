"""Reads that no index answers: few at a time, and ended at the server when their caller no longer waits."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorClientSession
from pymongo.errors import PyMongoError

from storage.supervisor import spawn
from storage.threads import SCAN_THREADS, Work, work

T = TypeVar("T")

#: From one request to end a read to the next, for as long as it goes on: the first may come before the read begins.
KILL_SECONDS = 0.1


class Scans:
    """The scans of one process. Those that wait for a slot cost nothing, and may be cancelled."""

    def __init__(self, client: AsyncIOMotorClient[Any], *, slots: int = SCAN_THREADS) -> None:
        self._client = client
        self._slots = asyncio.Semaphore(slots)

    async def run(self, read: Callable[[AsyncIOMotorClientSession], Awaitable[T]], *, snapshot: bool = False) -> T:
        """What is read, in a session by which it is ended at the server when the caller is cancelled.

        With `snapshot`, all reads in the session see the data of one moment (mongo/snapshots.py).
        """
        await self._slots.acquire()
        # Starting and ending a session asks nothing of the database, so that neither needs a thread.
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
                spawn(self._kill(session, scanning), name="end a scan", kind=Work.BACKGROUND)
            raise

    async def _kill(self, session: AsyncIOMotorClientSession, scanning: "asyncio.Task[Any]") -> None:
        """Ask the server to end what runs in the session until it has ended. `maxTimeMS` ends it otherwise."""
        named = {"id": session.delegate.session_id["id"]}
        while not scanning.done():
            try:
                await self._client.admin.command("killSessions", [named])
            except PyMongoError:
                break
            await asyncio.wait({scanning}, timeout=KILL_SECONDS)
        await asyncio.wait({scanning})
        if not scanning.cancelled():
            scanning.exception()  # nobody waits for it
