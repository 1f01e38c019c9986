"""The heartbeat of each process, and the clean-up after processes that have died.

A process that is killed in a transaction leaves the transaction open, and MongoDB keeps the documents that it wrote
locked for a minute. Each process therefore registers the sessions that it writes with, and increments a counter while
it lives. Other processes kill the sessions of a process whose counter does not change. If that process is only slow, it
repeats the transactions that were aborted.
"""

import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable

from bson import Binary
from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo import WriteConcern
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from storage.mongo import sessions
from storage.mongo.connection import Database, Document

logger = logging.getLogger(__name__)

#: A process is dead when its counter is unchanged for so many polls in a row.
MISSED_HEARTBEATS = 3
#: Registered sessions of a process. A driver has one for each concurrent transaction, and new ones after a failover.
MAX_REGISTERED_SESSIONS = 2_000


class ProcessHeartbeat:
    """This process in the `processes` collection.

    `state` returns what the heartbeat publishes about this process in addition to its counter.
    """

    def __init__(self, database: Database, state: Callable[[], Document] = dict) -> None:
        self.id = secrets.token_hex(8)
        self.database = database
        self._state = state
        #: Awaited after the sessions of a dead process were killed.
        self.reap_listeners: list[Callable[[], Awaitable[None]]] = []
        # A failover may lose these writes: the next heartbeat repeats them, or MongoDB's own time-out applies.
        self._processes = database["processes"].with_options(
            read_concern=ReadConcern("local"), write_concern=WriteConcern(w=1)
        )
        self._last_heartbeat = time.monotonic()
        self._session_ids: dict[bytes, Binary] = {}
        self._is_alone = False
        #: By the id of every other process: its counter, and how many polls in a row found it unchanged.
        self._counters: dict[str, tuple[int, int]] = {}

    @property
    def place(self) -> tuple[int, int]:
        """The place of this process among all that are alive, in the order of their ids, and their number."""
        ids = sorted([*self._counters, self.id])
        return ids.index(self.id), len(ids)

    @property
    def is_alone(self) -> bool:
        """Whether the last poll found no other process. False until one has succeeded."""
        return self._is_alone

    async def register_session(self, session: AsyncIOMotorClientSession) -> None:
        """Register a session, before the first write in it."""
        session_id: Binary = session.session_id["id"]  # type: ignore[index] # the stubs type it wrongly: it is a property
        key = bytes(session_id)
        if key in self._session_ids:
            return
        self._session_ids[key] = session_id
        while len(self._session_ids) > MAX_REGISTERED_SESSIONS:
            del self._session_ids[next(iter(self._session_ids))]
        update = {"$push": {"sessions": {"$each": [session_id], "$slice": -MAX_REGISTERED_SESSIONS}}}
        try:
            result = await self._processes.update_one({"_id": self.id}, update)
            if not result.matched_count:
                await self._register()
        except BaseException:
            self._session_ids.pop(key, None)
            raise

    async def send_heartbeat(self) -> None:
        """Increment the counter and publish the state of this process."""
        # MongoDB refuses an empty $set.
        update = {"$inc": {"beats": 1}, **({"$set": state} if (state := self._state()) else {})}
        result = await self._processes.update_one({"_id": self.id}, update)
        if not result.matched_count:
            await self._register()
        self._last_heartbeat = time.monotonic()

    @property
    def seconds_without_write(self) -> float:
        """Seconds since MongoDB last acknowledged a heartbeat, which is a write."""
        return time.monotonic() - self._last_heartbeat

    async def _register(self) -> None:
        """Insert the document of this process: at the first heartbeat, and after another process removed it."""
        document = {**self._state(), "beats": 1, "sessions": list(self._session_ids.values())}
        await self._processes.update_one({"_id": self.id}, {"$set": document}, upsert=True)

    async def reap_dead_processes(self) -> None:
        """Kill the sessions of every process whose counter has not changed for MISSED_HEARTBEATS polls."""
        counters: dict[str, tuple[int, int]] = {}
        try:
            async for other in self._processes.find({"_id": {"$ne": self.id}}, {"beats": 1}):
                counter = int(other.get("beats", 0))
                before, unchanged = self._counters.get(other["_id"], (-1, 0))
                unchanged = unchanged + 1 if counter == before else 0
                if unchanged < MISSED_HEARTBEATS:
                    counters[other["_id"]] = (counter, unchanged)
                else:
                    await self._reap(other["_id"], counter)
        except BaseException:
            # No process could send a heartbeat while the database was away.
            self._counters.clear()
            self._is_alone = False
            raise
        self._counters = counters
        self._is_alone = not counters

    async def deregister(self) -> None:
        """Remove this process, which stops. A transaction that is still open keeps its documents for up to a minute."""
        with contextlib.suppress(PyMongoError):
            await self._processes.delete_one({"_id": self.id})

    async def _reap(self, process_id: str, counter: int) -> None:
        dead: Document | None = await self._processes.find_one({"_id": process_id, "beats": counter})
        if dead is None:
            return  # it has sent a heartbeat, or another process has removed it
        logger.info("Process %s missed its heartbeats; killing its sessions.", process_id)
        if registered := dead.get("sessions"):
            await sessions.kill(self.database, registered)
        await self._processes.delete_one({"_id": process_id})
        for listener in self.reap_listeners:
            await listener()
