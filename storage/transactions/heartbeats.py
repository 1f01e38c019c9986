"""The processes of a database: each says that it lives, and what a dead one left open is closed by the others.

A process that is killed in the middle of a transaction leaves it open, and MongoDB keeps what it wrote locked for a
minute: nobody else could change those rooms and agents. So every process names the sessions it writes with, and counts
up a number as long as it lives. Whoever sees the number stand still ends the sessions, which is harmless when the
process was only slow: its changes start again.
"""

import asyncio
import contextlib
import logging
import secrets
import time

from bson import Binary
from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo import WriteConcern
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from storage.custom_fields import epochs
from storage.custom_fields.definition_cache import DefinitionCache
from storage.errors import Unavailable
from storage.mongo.connection import Database, Document
from storage.records import FieldDefinition

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 0.5
#: How often a process looks at the numbers of all others.
LOOK_SECONDS = 1.0
#: So many looks in a row at a number that stands still, and its process is taken for dead.
MISSED_HEARTBEATS = 3
#: Sessions named at once; a driver has as many as it writes at the same time, and new ones after each failover.
MAX_REGISTERED_SESSIONS = 2_000
#: How long to wait until all processes go by new rules: longer than it takes to see that one has died.
EPOCH_TIMEOUT_SECONDS = 8.0
EPOCH_POLL_SECONDS = 0.02


class ProcessHeartbeat:
    """This process, as the others know it."""

    def __init__(self, database: Database, definition_cache: DefinitionCache) -> None:
        self.id = secrets.token_hex(8)
        self.database = database
        self._definition_cache = definition_cache
        # Nothing here needs to survive a failover: what is lost is said again, or MongoDB's own time-out sees to it.
        self._processes = database["processes"].with_options(
            read_concern=ReadConcern("local"), write_concern=WriteConcern(w=1)
        )
        self._last_beat = time.monotonic()
        self._named: dict[bytes, Binary] = {}
        #: Of every other process: its number, and how often it was seen to stand still.
        self._seen: dict[str, tuple[int, int]] = {}

    async def register_session(self, session: AsyncIOMotorClientSession) -> None:
        """Name the session as one of this process, before it is written with."""
        session_id: Binary = session.session_id["id"]  # type: ignore[index] # a property, whatever the stubs say
        key = bytes(session_id)
        if key in self._named:
            return
        self._named[key] = session_id
        while len(self._named) > MAX_REGISTERED_SESSIONS:
            del self._named[next(iter(self._named))]
        named = {"$push": {"sessions": {"$each": [session_id], "$slice": -MAX_REGISTERED_SESSIONS}}}
        try:
            result = await self._processes.update_one({"_id": self.id}, named)
            if not result.matched_count:
                await self._register()
        except BaseException:
            self._named.pop(key, None)
            raise

    async def keep_alive(self) -> None:
        """Say that this process lives, whether or not it knows the newest definitions."""
        try:
            await self._definition_cache.catch_up()
        finally:
            await self.send_heartbeat()

    async def send_heartbeat(self) -> None:
        """Say that this process lives, and which rules of custom fields all its changes go by."""
        told: Document = {"epoch": self._definition_cache.lowest_epoch_in_use}
        result = await self._processes.update_one({"_id": self.id}, {"$inc": {"beats": 1}, "$set": told})
        if not result.matched_count:
            await self._register()
        self._last_beat = time.monotonic()

    @property
    def seconds_without_write(self) -> float:
        """How long ago MongoDB took this process's last heartbeat, which is a write."""
        return time.monotonic() - self._last_beat

    async def _register(self) -> None:
        """Say all there is to say: the first time, or after others took this process for dead."""
        known = {
            "beats": 1,
            "epoch": self._definition_cache.lowest_epoch_in_use,
            "sessions": list(self._named.values()),
        }
        await self._processes.update_one({"_id": self.id}, {"$set": known}, upsert=True)

    async def reap_dead_processes(self) -> None:
        """Look at all others, and close what those left open whose number has stood still for MISSED_HEARTBEATS
        looks."""
        seen: dict[str, tuple[int, int]] = {}
        try:
            async for other in self._processes.find({"_id": {"$ne": self.id}}, {"beats": 1}):
                beats = int(other.get("beats", 0))
                before, still = self._seen.get(other["_id"], (-1, 0))
                still = still + 1 if beats == before else 0
                if still < MISSED_HEARTBEATS:
                    seen[other["_id"]] = (beats, still)
                else:
                    await self._reap(other["_id"], beats)
        except BaseException:
            # Nobody could beat while the database was away, so that standing still meant nothing.
            self._seen.clear()
            raise
        self._seen = seen

    async def acquire_definition_lease(
        self, definition_id: str, *, owner: str, pending: FieldDefinition | None = None
    ) -> int | None:
        """Claim a definition for a change of this process (epochs.acquire_lease)."""
        await self.send_heartbeat()  # a claim is worth something only while its process is known to live
        return await epochs.acquire_lease(
            self.database, definition_id, owner=owner, process_id=self.id, pending=pending
        )

    async def wait_for_epoch(self, epoch: int) -> None:
        """Return when no change of any process goes by rules from before the epoch. Raises Unavailable."""
        behind: Document = {"_id": {"$ne": self.id}, "epoch": {"$not": {"$gte": epoch}}}
        deadline = asyncio.get_running_loop().time() + EPOCH_TIMEOUT_SECONDS
        await self._definition_cache.catch_up()
        while (
            self._definition_cache.lowest_epoch_in_use < epoch
            or await self._processes.find_one(behind, {"_id": 1}) is not None
        ):
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable("Not all processes keep to the new rule yet; try again.", retryable=True)
            await asyncio.sleep(EPOCH_POLL_SECONDS)

    async def deregister(self) -> None:
        """Say that this process ends, and has nothing open."""
        with contextlib.suppress(PyMongoError):
            await self._processes.delete_one({"_id": self.id})

    async def _reap(self, process_id: str, beats: int) -> None:
        dead: Document | None = await self._processes.find_one({"_id": process_id, "beats": beats})
        if dead is None:
            return  # it beats again, or another process closed it
        logger.info("Process %s missed its heartbeats; killing its sessions.", process_id)
        if sessions := dead.get("sessions"):
            await self.database.client.admin.command("killSessions", [{"id": one} for one in sessions])
        await self._processes.delete_one({"_id": process_id})
        await epochs.release_dead_leases(self.database)
