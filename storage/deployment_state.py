"""The state of a deployment, which all of its processes share: the log, the outbox, the queue, the consumers and the
webhooks.

Each read uses an index, and returns at most MAX_ROWS rows.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo import ASCENDING
from pymongo.errors import PyMongoError

from storage.errors import Unavailable
from storage.log.log import Log
from storage.mongo.connection import Document
from storage.mongo.deadlines import time_limit
from storage.mongo.reader import Reader
from storage.records import RoomStatus
from storage.webhooks import count_by_state

#: The departments, and the consumers, that a read returns.
MAX_ROWS = 200
#: Facts of the outbox beyond this are not counted.
MAX_COUNTED_FACTS = 100_000
READ_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Queue:
    """The rooms that wait in one department, or without one."""

    department_id: str | None
    department_name: str
    rooms: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class ConsumerPosition:
    """The position of one consumer."""

    name: str
    #: The name of its app or user.
    owner: str
    acked: int
    #: Whether a connection receives its events.
    leased: bool


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """What the database contains at one time."""

    log_head: int
    log_oldest: int
    outbox_facts: int
    outbox_oldest_seconds: float
    queues: Sequence[Queue]
    #: The number of departments with waiting rooms, which may exceed that of `queues`.
    queued_departments: int
    consumers: Sequence[ConsumerPosition]
    consumer_count: int
    #: The number of webhooks in each state: active, failing or paused.
    webhooks: dict[str, int]


async def read(reader: Reader, log: Log) -> DeploymentState:
    """Read the state. Raises Unavailable if the database does not answer in READ_SECONDS."""
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await _read(reader, log)
    except (PyMongoError, TimeoutError) as error:
        raise Unavailable("The database does not answer.", retryable=True) from error


async def _read(reader: Reader, log: Log) -> DeploymentState:
    """Read the state. The parts are read at the same time, and not from one snapshot."""
    with time_limit(READ_SECONDS):
        head, oldest, outbox, queues, consumers, (consumer_count, webhooks) = await asyncio.gather(
            log.head(),
            log.oldest(),
            _read_outbox(reader),
            _read_queues(reader),
            _read_consumers(reader),
            asyncio.gather(reader.collection("consumers").estimated_document_count(), count_by_state(reader)),
        )
    return DeploymentState(
        log_head=head,
        log_oldest=oldest,
        outbox_facts=outbox[0],
        outbox_oldest_seconds=outbox[1],
        queues=queues[:MAX_ROWS],
        queued_departments=len(queues),
        consumers=consumers,
        consumer_count=consumer_count,
        webhooks=webhooks,
    )


async def _read_outbox(reader: Reader) -> tuple[int, float]:
    outbox = reader.collection("outbox")
    count = int(await outbox.count_documents({}, limit=MAX_COUNTED_FACTS))
    oldest = await outbox.find_one({}, {"at": 1}, sort=[("at", ASCENDING)])
    return count, 0.0 if oldest is None else _seconds_since(reader, oldest["at"])


async def _read_queues(reader: Reader) -> list[Queue]:
    grouped = {"_id": "$departmentId", "rooms": {"$sum": 1}, "oldest": {"$min": "$queuedAt"}}
    stages: list[Document] = [
        {"$match": {"status": RoomStatus.QUEUED.value}},
        {"$group": grouped},
        {"$sort": {"rooms": -1, "_id": 1}},
    ]
    rows = await reader.collection("rooms").aggregate(stages, hint="queue").to_list(None)
    ids = [row["_id"] for row in rows[:MAX_ROWS] if row["_id"] is not None]
    found = reader.collection("departments").find({"_id": {"$in": ids}}, {"name": 1})
    names = {document["_id"]: document["name"] for document in await found.to_list(None)}
    return [
        Queue(row["_id"], names.get(row["_id"], ""), row["rooms"], _seconds_since(reader, row["oldest"]))
        for row in rows
    ]


async def _read_consumers(reader: Reader) -> list[ConsumerPosition]:
    order = [("ownerId", ASCENDING), ("name", ASCENDING)]
    fields = {"name": 1, "owner.name": 1, "acked": 1, "leasedUntil": 1}
    found = reader.collection("consumers").find({}, fields, sort=order, limit=MAX_ROWS, batch_size=MAX_ROWS)
    now = reader.database.now()
    return [
        ConsumerPosition(
            name=document["name"],
            owner=(document.get("owner") or {}).get("name") or "",  # 0.1.0 stored only its id
            acked=int(document["acked"]),
            leased=document.get("leasedUntil") is not None and document["leasedUntil"] > now,
        )
        for document in await found.to_list(None)
    ]


def _seconds_since(reader: Reader, moment: datetime | None) -> float:
    return 0.0 if moment is None else max(0.0, (reader.database.now() - moment).total_seconds())
