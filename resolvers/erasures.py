"""Erases visitors: what a person is called, wrote and was asked, from all that is stored.

The mutation ends the visitor's access, empties the visitor and records the erasure. The rest has no bound: it is done
room by room, each step in bounded batches, and any process continues it after a crash. What was done already is done
again without effect. The order keeps late writers out: first the room and its messages get new versions, with which
concurrent transactions conflict; then the facts that are committed already reach the log; then the log loses them.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from resolvers import room_preconditions
from resolvers.context import Context, Services
from resolvers.operations import MutationContext, mutation, query
from resolvers.room_transition import RoomTransition
from resolvers.rooms import SERVED_STATUSES
from storage import erasures, rooms, tokens, visitors
from storage.erasures import MAX_UNFINISHED, Erasure
from storage.errors import RateLimited
from storage.facts import AgentUnassigned, AssignmentCause
from storage.mongo.retries import read_with_retries
from storage.records import RoomStatus, Visitor
from storage.transactions.keyed_locks import LockKey
from storage.transactions.leases import Lease
from storage.transactions.transaction import Transaction

logger = logging.getLogger(__name__)

#: The interval at which each process looks for erasures that are not finished.
POLL_SECONDS = 5.0
LEASE_NAME = "erasures"
#: How long the mutation waits for the erasing, which then continues in the background.
WAIT_SECONDS = 5.0
#: After this time no transaction runs that began before the visitor was erased. Then all is done a second time.
CONFIRM_AFTER = timedelta(minutes=2)
#: Rooms that one query lists.
BATCH_ROOMS = 100
#: How long a step waits until facts about one room are in the log. After that the worker tries again later.
LOG_SECONDS = 30.0
LOG_POLL_SECONDS = 0.05
#: The pause between two rooms in the background, so that other operations reach the database.
PAUSE_SECONDS = 0.01


@mutation("visitors:erase")
async def erase_visitor(change: MutationContext, *, visitor_id: str) -> Visitor:
    """End the visitor's access, and empty the visitor. `Eraser` does the rest. Erasing twice changes nothing."""
    tx = change.tx
    visitor = await visitors.get(tx, visitor_id)
    if visitor.erased_at is not None:
        return visitor
    if await erasures.count_unfinished(tx) >= MAX_UNFINISHED:
        raise RateLimited(
            f"{MAX_UNFINISHED:,} visitors are being erased, which is the limit; try again when some are done.",
            retry_after_seconds=60,
        )
    erased = await visitors.erase(tx, visitor)
    await tokens.delete(tx, visitor.id)
    await erasures.insert(tx, erased)
    return erased


@query("visitors:read")
async def find_many(context: Context, visitor_ids: Sequence[str]) -> dict[str, Erasure]:
    """The erasures of these visitors, by the ids of the visitors."""
    return await erasures.get_many(context.reader, visitor_ids)


async def erase_now(services: Services, visitor_id: str) -> Erasure:
    """Erase what can be erased within WAIT_SECONDS, and return how far it is. Errors leave the rest to the worker."""
    reader = services.storage.reader

    async def read() -> Erasure:
        return (await erasures.get_many(reader, [visitor_id]))[visitor_id]

    erasure = await read_with_retries(services.storage.database, read)
    if erasure.done_at is None:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await Eraser(services).erase(erasure)
        except TimeoutError:
            logger.info("Erasing the visitor %s takes longer and continues in the background.", visitor_id)
        except Exception as error:
            logger.warning("Erasing the visitor %s continues in the background: %s", visitor_id, error)
        erasure = await read_with_retries(services.storage.database, read)
    return erasure


class Eraser:
    """Removes what is known of one erased visitor. Several may work on the same visitor at once."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._storage = services.storage

    async def erase(self, erasure: Erasure, *, pause: float = 0.0) -> None:
        """Erase all that is left, room by room, and record the progress after each."""
        reader, position = self._storage.reader, erasure.position
        while ids := await rooms.list_ids_of_visitor(reader, erasure.id, after=position, limit=BATCH_ROOMS):
            for room_id in ids:
                await self._erase_room(erasure, room_id)
                await asyncio.sleep(pause)
            position = ids[-1]
        await erasures.erase_visitor_content(reader, erasure.id)
        await self._wait_for_log(erasure.id)
        facts = await erasures.erase_facts_of_visitor(self._storage.log, erasure.id, erasure.requested_at)
        await erasures.record_done(reader, erasure, facts=facts, at=self._storage.database.now())

    async def _erase_room(self, erasure: Erasure, room_id: str) -> None:
        reader, erased_at = self._storage.reader, erasure.requested_at
        emptied = await self._empty_room(erasure, room_id)
        messages = await erasures.erase_room_content(reader, room_id, erased_at)
        await self._wait_for_log(room_id)
        facts = await erasures.erase_facts_of_room(self._storage.log, room_id, erased_at)
        await erasures.record_room(reader, erasure, room_id, emptied=emptied, messages=messages, facts=facts)

    async def _empty_room(self, erasure: Erasure, room_id: str) -> bool:
        """Remove the content of the room itself, and close it. Returns whether that was left to do."""

        async def attempt(tx: Transaction) -> bool:
            transition = RoomTransition(tx, await rooms.get_snapshot(tx, room_id))
            room = transition.room
            if room.erased_at is not None:
                return False
            change = MutationContext(tx, Context(self._services))
            if room.status in SERVED_STATUSES:
                await room_preconditions.lock_serving_agent(change, transition)
            transition.erase()
            if room.status in SERVED_STATUSES:
                await room_preconditions.release_agent(change, transition, AssignmentCause.CLOSED)
            if room.status is not RoomStatus.CLOSED:
                transition.close(comment=None, tags=(), custom_fields={})
            await room_preconditions.store(change, transition)
            return True

        emptied, facts = await self._storage.transactions.run(
            attempt, actor=erasure.actor, lock_keys=(LockKey("room", room_id),)
        )
        if any(isinstance(fact, AgentUnassigned) for fact in facts):
            self._services.notify_queue()
        return emptied

    async def _wait_for_log(self, subject_id: str) -> None:
        """Wait until the log has all facts about the subject that are committed. Raises TimeoutError."""
        async with asyncio.timeout(LOG_SECONDS):
            while await erasures.has_waiting_facts(self._storage.reader, subject_id):
                await self._storage.sweeps.sweep()
                await self._storage.appender.cleanup.wait()
                await asyncio.sleep(LOG_POLL_SECONDS)


class ErasureWorker:
    """Continues the erasures that are not finished. A lease lets one process at a time work."""

    def __init__(self, services: Services) -> None:
        self._storage = services.storage
        self._eraser = Eraser(services)
        self._lease = Lease(services.storage.database, LEASE_NAME)

    async def run(self) -> None:
        """Erase what is due, unless another process does it."""
        try:
            for erasure in await erasures.list_unfinished(self._storage.reader):
                if self._is_due(erasure, self._storage.database.now()):
                    if not await self._lease.acquire():
                        return
                    await self._continue(erasure)
        finally:
            await self._lease.release()

    def _is_due(self, erasure: Erasure, now: datetime) -> bool:
        return erasure.done_at is None or now - erasure.requested_at >= CONFIRM_AFTER

    async def _continue(self, erasure: Erasure) -> None:
        """Continue one erasure. One that fails does not keep the others from going on."""
        try:
            await self._eraser.erase(erasure, pause=PAUSE_SECONDS)
        except Exception as error:
            if not self._storage.database.has_primary:
                raise
            logger.error("Erasing the visitor %s failed, and is tried again: %s", erasure.id, error)
