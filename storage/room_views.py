"""Snapshots of lists and counts of rooms, each with the state of the log at that time, for live views."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClientSession

from storage import entities
from storage.errors import QueryTooComplex
from storage.filters.expressions import Expression
from storage.log.log_state import LogState, read_log_state
from storage.mongo import counts
from storage.mongo.connection import MAX_BATCH_ROWS, Document
from storage.mongo.deadlines import READ_SECONDS, time_limit
from storage.mongo.index_use import is_scan
from storage.mongo.pagination import read_within
from storage.mongo.reader import Reader
from storage.mongo.snapshots import read_snapshot
from storage.mongo.sort_orders import SortOrder
from storage.records import Room, RoomStatus
from storage.rooms import KIND, room_query

#: The most bytes of the rooms of one window.
WINDOW_BYTES = 16 * 1024 * 1024
#: The most groups of one count.
MAX_GROUPS = 10_000
#: How many of the longest waiting rooms of a group are read.
OLDEST_KEPT = 50
#: The attributes that rooms can be grouped by, with their fields in documents.
GROUPED_BY = {"STATUS": "status", "DEPARTMENT": "departmentId", "SERVED_BY": "servedById", "SOURCE": "source"}


@dataclass(frozen=True, slots=True)
class RoomWindow:
    """The first rooms of a list."""

    rooms: list[Room]
    #: Whether these are all rooms that match.
    complete: bool
    #: The number of rooms that match. None if it exceeds the limits of mongo/counts.py.
    total: int | None
    log: LogState


async def read_window(reader: Reader, where: Expression, *, order: SortOrder, size: int) -> RoomWindow:
    """Up to `size` of the rooms that match, in the order, and the number of all that match, from one snapshot.

    Raises QueryTooComplex if no index has the order and too many rooms match to sort them.
    """
    query = room_query(where)

    async def read(session: AsyncIOMotorClientSession) -> tuple[list[Document], bool, int | None, LogState]:
        documents: list[Document] = []
        more = False
        for number, section in enumerate(order.sections):
            found = reader.collection(KIND.collection).find(
                {"$and": [query, dict(section.query)]},
                {"attrs": 0},
                sort=order.sort(number),
                limit=size + 1 - len(documents),
                batch_size=MAX_BATCH_ROWS,
                session=session,
            )
            read_documents, more = await read_within(found, WINDOW_BYTES)
            documents += read_documents
            if more or len(documents) > size:
                break
        total = await counts.count_in_session(reader.database, KIND.collection, query, session)
        return documents, more, total, await read_log_state(reader.database, session)

    with time_limit(READ_SECONDS):
        if not order.indexed:
            await counts.require_sortable(reader.database, KIND.collection, query)
        scan = is_scan(KIND.collection, query)
        documents, more, total, log = await read_snapshot(reader.database, read, scan=scan)
    return RoomWindow(
        rooms=await entities.decode(reader, KIND, documents[:size]),
        complete=not more and len(documents) <= size,
        total=total,
        log=log,
    )


@dataclass(frozen=True, slots=True)
class RoomGroup:
    """A group of rooms with equal values of the attributes they are grouped by."""

    key: tuple[str | None, ...]
    count: int
    queued: int
    #: The rooms that have waited longest, longest first: when each was queued, and its id.
    oldest: list[tuple[datetime, str]]


@dataclass(frozen=True, slots=True)
class RoomGroups:
    """All groups of the rooms that match."""

    groups: list[RoomGroup]
    log: LogState


async def read_groups(reader: Reader, where: Expression, *, by: Sequence[str]) -> RoomGroups:
    """The numbers of rooms that match, grouped by the attributes (keys of GROUPED_BY), from one snapshot.

    Raises QueryTooComplex if there are more than MAX_GROUPS groups.
    """
    query = room_query(where)
    is_queued = {"$eq": ["$status", RoomStatus.QUEUED.value]}
    pipeline: list[Document] = [
        {"$match": query},
        {
            "$group": {
                "_id": {name: {"$ifNull": [f"${GROUPED_BY[name]}", None]} for name in by},
                "count": {"$sum": 1},
                "queued": {"$sum": {"$cond": [is_queued, 1, 0]}},
                # $minN ignores null, which stands for rooms that are not queued.
                "oldest": {"$minN": {"input": {"$cond": [is_queued, ["$queuedAt", "$_id"], None]}, "n": OLDEST_KEPT}},
            }
        },
        {"$limit": MAX_GROUPS + 1},
    ]

    async def read(session: AsyncIOMotorClientSession) -> tuple[list[Document], LogState]:
        found = reader.collection(KIND.collection).aggregate(
            pipeline, session=session, batchSize=MAX_GROUPS + 1, allowDiskUse=False
        )
        return await found.to_list(None), await read_log_state(reader.database, session)

    with time_limit(READ_SECONDS):
        documents, log = await read_snapshot(reader.database, read, scan=True)
    if len(documents) > MAX_GROUPS:
        raise QueryTooComplex(f"There are more than {MAX_GROUPS:,} groups; match fewer rooms with `where`.")
    return RoomGroups(groups=[_group(document, by) for document in documents], log=log)


def _group(document: Document, by: Sequence[str]) -> RoomGroup:
    values: dict[str, Any] = document["_id"]
    return RoomGroup(
        key=tuple(values.get(name) for name in by),
        count=int(document["count"]),
        queued=int(document["queued"]),
        oldest=[(since, room_id) for since, room_id in document["oldest"]],
    )
