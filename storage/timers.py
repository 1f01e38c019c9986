"""Timers of rooms. A timer that is due becomes a fact (resolvers/timer_expiry.py).

Every write of a timer is in a transaction that also replaces its room, so the version of the room protects the timers
of the room too. Facts that restart or cancel a timer do not write the timer: the room stores the newest fact of each
type that its timers name (`Room.timer_marks`), and these marks are compared with the timer when it is read.
"""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from pymongo import ASCENDING, UpdateOne
from pymongo.client_session import ClientSession

from storage.mongo import stored_documents
from storage.mongo.connection import MAX_BATCH_ROWS, Document, to_document, to_record
from storage.mongo.read_budget import charge
from storage.mongo.reader import Reader
from storage.records import Actor, Record, Room, RoomStatus, TimerMark
from storage.sizes import size_of_document
from storage.transactions.transaction import Transaction

COLLECTION = "timers"
_BY_DUE = (("dueAt", ASCENDING), ("_id", ASCENDING))


class Timer(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A timer of a room. Setting it again makes another record."""

    id: str
    room_id: str
    #: Unique among the timers of the room that the same actor set.
    name: str
    set_by: Actor
    set_at: datetime
    #: The number of facts about the room when it was set. Later facts restart or cancel it.
    set_after: int
    seconds: int
    #: The tags of the facts that start the time anew, and of those that end the timer.
    restart_on: tuple[str, ...] = ()
    cancel_on: tuple[str, ...] = ()
    #: A JSON value, as text.
    data_json: str | None = None
    #: When it is due. As stored, not later than that: facts that restarted it are not considered.
    due_at: datetime

    def updated(self, room: "TimedRoom") -> "Timer | None":
        """The timer with the time when it is due, by the facts about the room. None if it is cancelled."""
        if room.status is RoomStatus.CLOSED or any(self._has_mark(room, tag) for tag in self.cancel_on):
            return None
        starts = [room.timer_marks[tag].at for tag in self.restart_on if self._has_mark(room, tag)]
        return msgspec.structs.replace(self, due_at=max([self.set_at, *starts]) + timedelta(seconds=self.seconds))

    def _has_mark(self, room: "TimedRoom", tag: str) -> bool:
        """Whether there is a fact of this type after the timer was set."""
        mark = room.timer_marks.get(tag)
        return mark is not None and mark.number > self.set_after


class TimedRoom(Record, frozen=True, kw_only=True):
    """The values of a room that decide when its timers are due."""

    id: str
    status: RoomStatus
    timer_marks: Mapping[str, TimerMark] = {}

    @classmethod
    def from_room(cls, room: Room) -> "TimedRoom":
        return cls(id=room.id, status=room.status, timer_marks=room.timer_marks)


def with_timers(room: Room, timers: Collection[Timer], now: datetime) -> Room:
    """The room with these timers, and with a mark for each type of facts that they name."""
    tags = sorted({tag for timer in timers for tag in (*timer.restart_on, *timer.cancel_on)})
    none_since = TimerMark(number=room.fact_count, at=now)
    marks = {tag: room.timer_marks.get(tag, none_since) for tag in tags}
    return msgspec.structs.replace(room, timer_count=len(timers), timer_marks=marks)


# ---------------------------------------------------------------- reading


async def list_by_room(reader: Reader, room: Room, *, with_data: bool = False) -> list[Timer]:
    """Return the timers of a room that are not cancelled, in the order in which they are due."""
    found = reader.collection(COLLECTION).find(
        {"roomId": room.id}, None if with_data else {"dataJson": 0}, session=await reader.read_session()
    )
    timed = TimedRoom.from_room(room)
    documents = await found.to_list(None)
    charge(sum(map(size_of_document, documents)))
    timers = [to_record(document, Timer).updated(timed) for document in documents]
    return sorted((one for one in timers if one is not None), key=lambda timer: (timer.due_at, timer.id))


async def find_data(reader: Reader, timer_id: str) -> str | None:
    """Return the data of a timer, as JSON text. None if it has none."""
    document = await reader.collection(COLLECTION).find_one(
        {"_id": timer_id}, {"dataJson": 1}, session=await reader.read_session()
    )
    return None if document is None else document.get("dataJson")


async def iterate_due(
    reader: Reader, now: datetime, *, size: int, excluding: Sequence[str] = ()
) -> AsyncGenerator[list[Timer], None]:
    """Yield the timers that are due, unless facts restarted or cancelled them, in batches of up to `size`.

    They are without data. Timers of the rooms `excluding`, and those that cannot be decoded, are left out.
    """
    query = due_query(now, excluding)
    # Most of the time, none is due, and a cursor costs more than this read.
    due, _ = await stored_documents.find(reader.database, COLLECTION, query, projection={"_id": 1}, limit=1)
    if not due:
        return
    found = reader.collection(COLLECTION).find(query, {"dataJson": 0}, sort=_BY_DUE, batch_size=size)
    try:
        while documents := await found.to_list(size):
            yield reader.database.undecodable.decode(COLLECTION, documents, lambda document: to_record(document, Timer))
    finally:
        await found.close()


def due_query(now: datetime, excluding: Sequence[str] = ()) -> Document:
    """The MongoDB query of `iterate_due`."""
    excluded: Document = {"roomId": {"$nin": list(excluding)}} if excluding else {}
    return {"dueAt": {"$lte": now}, **excluded}


async def get_timed_rooms(reader: Reader, room_ids: Collection[str]) -> dict[str, TimedRoom]:
    """Return what decides when the timers of these rooms are due, by id. Those that cannot be decoded are left out."""
    found = reader.collection("rooms").find(
        {"_id": {"$in": sorted(room_ids)}}, {"status": 1, "timerMarks": 1}, batch_size=MAX_BATCH_ROWS
    )
    rooms = reader.database.undecodable.decode(
        "rooms", await found.to_list(None), lambda document: to_record(document, TimedRoom)
    )
    return {room.id: room for room in rooms}


# ---------------------------------------------------------------- writing


async def postpone(reader: Reader, changes: Sequence[tuple[Timer, Timer]]) -> None:
    """Store the later times of timers that facts restarted, each (before, after), unless they changed meanwhile.

    The times do not change by it: they are computed from the marks of the room. So it needs no transaction.
    """
    writes = [
        UpdateOne({"_id": before.id, "dueAt": before.due_at}, {"$set": {"dueAt": after.due_at}})
        for before, after in changes
    ]
    if writes:
        await reader.collection(COLLECTION).bulk_write(writes, ordered=False)


def replace_all(tx: Transaction, room_id: str, *, keep: Collection[Timer], new: Timer | None = None) -> None:
    """Delete the timers of a room except those to keep, and insert a new one. The transaction must replace the room."""
    timers = tx.collection(COLLECTION).delegate
    query = {"roomId": room_id, "_id": {"$nin": [timer.id for timer in keep]}}
    document = None if new is None else to_document(new)

    def write(session: ClientSession) -> None:
        timers.delete_many(query, session=session)
        if document is not None:
            timers.insert_one(document, session=session)

    tx.defer_write(write)
