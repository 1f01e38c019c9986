"""Measures the cost of timers for messages: 100 timers in each of 1,000 rooms, which each message of the room restarts.

    python -m benchmarks.timers [--quick]

Starts a mongod and one server, and sends messages over HTTP in turn to rooms without timers and to rooms with 100
timers each. The timers are due at times that are spread evenly over five minutes, unless a message restarts them, so
the server looks at about 330 of them each second and stores their new times. Then 1,000 timers become due
at once, and the benchmark measures how many the server records in a second.
"""

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database

from benchmarks.figures import Figure, record
from benchmarks.routing import Client, Measured, measure
from benchmarks.sockets import cpu, server
from resolvers.timers import MAX_TIMERS
from storage.embedded.replica_set import EmbeddedReplicaSet
from storage.mongo.connection import new_id, to_document
from storage.records import SYSTEM
from storage.timers import Timer

NAME = "timers"
SECONDS = 300
CONCURRENCY = 4
DUE_AT_ONCE = 1_000


def timers(room_id: str, now: datetime) -> Iterator[Timer]:
    """As many timers as a room takes. They are due in a day, unless `store_timers` stores other times."""
    for number in range(MAX_TIMERS):
        yield Timer(
            id=new_id(now),
            room_id=room_id,
            name=str(number),
            set_by=SYSTEM,
            set_at=now,
            set_after=0,
            seconds=SECONDS,
            restart_on=("MESSAGE_SENT",),
            due_at=now + timedelta(days=1),
        )


def store_timers(database: Database[dict[str, Any]], room_ids: list[str]) -> int:
    """Store the timers of these rooms as if a message had just restarted all of them. Returns their number.

    The times when the server looks at them are spread evenly over SECONDS. They are stored in one step after all
    timers, so that none is due before, however long the insertion takes.
    """
    for room_id in room_ids:
        documents = [to_document(timer) for timer in timers(room_id, datetime.now(UTC))]
        database["timers"].insert_many(documents, ordered=False)
    now = datetime.now(UTC)
    # The marks are stored before the times, so that no timer elapses meanwhile.
    marks = {"MESSAGE_SENT": {"number": 1, "at": now}}
    database["rooms"].update_many(
        {"_id": {"$in": room_ids}},
        {"$set": {"timerCount": MAX_TIMERS, "timerMarks": marks}, "$inc": {"version": 1}},
    )
    after = {"$toLong": {"$multiply": [{"$rand": {}}, SECONDS * 1000]}}
    due_at = {"$dateAdd": {"startDate": now, "unit": "millisecond", "amount": after}}
    set_at = {"$dateSubtract": {"startDate": "$dueAt", "unit": "second", "amount": SECONDS}}
    database["timers"].update_many({}, [{"$set": {"dueAt": due_at}}, {"$set": {"setAt": set_at}}])
    stored, expected = database["timers"].count_documents({}), len(room_ids) * MAX_TIMERS
    if stored != expected:
        raise SystemExit(
            f"{stored:,} timers are stored instead of {expected:,}: storing them took longer than allowed."
        )
    return stored


async def start_rooms(client: Client, count: int) -> list[str]:
    async def start() -> str:
        made = await client.mutate("startRoom", "room { id }", visitorToken="v")
        return str(made["room"]["id"]).removeprefix("room_")

    found: list[str] = []
    while len(found) < count:
        found += await asyncio.gather(*(start() for _ in range(min(16, count - len(found)))))
    return found


async def measure_messages(client: Client, room_ids: list[str], seconds: float) -> Measured:
    rooms = itertools.cycle(room_ids)

    async def send() -> None:
        await client.mutate("sendMessage", "message { id }", roomId=f"room_{next(rooms)}", text="Hi")

    return await measure(send, CONCURRENCY, seconds)


async def measure_due(database: Database[dict[str, Any]]) -> tuple[int, float]:
    """Make up to DUE_AT_ONCE timers due at once, in as many rooms.

    Returns how many, and how many the server records in a second.
    """
    past = datetime.now(UTC) - timedelta(seconds=1)
    due = [one["_id"] for one in database["timers"].find({"name": "0"}, limit=DUE_AT_ONCE)]
    names = {"_id": {"$in": due}}
    began = time.perf_counter()
    database["timers"].update_many(names, {"$set": {"restartOn": [], "setAt": past, "dueAt": past, "seconds": 1}})
    while database["timers"].count_documents(names):  # noqa: ASYNC110 - the server changes it
        await asyncio.sleep(0.01)
    return len(due), len(due) / (time.perf_counter() - began)


async def main(count_of_rooms: int, rounds: int, seconds: float) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedReplicaSet(Path(folder), cache_gb=1) as mongod,
        server(mongod.uri, NAME) as (url, process),
        MongoClient[dict[str, Any]](mongod.uri, tz_aware=True) as mongo,
    ):
        client, database = Client(url), mongo[NAME]
        await client.mutate("saveVisitor", "visitor { id }", token="v")
        plain, timed = await start_rooms(client, 200), await start_rooms(client, count_of_rooms)
        idle = await used(process, 5)
        print(f"no timers, no messages: {idle:.1%} of a core")
        stored = store_timers(database, timed)
        resting = await used(process, 5)
        record(Figure(f"{stored:,} timers at rest", resting * 100, "% of a core", lower_is_better=True))
        print(f"{stored:,} timers, no messages: {resting:.1%} of a core")
        for number in range(rounds):
            for what, rooms in (("without timers", plain), ("with 100 timers", timed)):
                found = await measure_messages(client, rooms, seconds)
                print(
                    f"round {number + 1}, rooms {what}: {found.rate:.0f} messages/s, p50 {found.p50_ms:.1f} ms, "
                    f"p99 {found.p99_ms:.1f} ms"
                )
        print(f"{database['timers'].count_documents({}):,} timers after the rounds")
        due, rate = await measure_due(database)
        record(Figure(f"{due:,} timers due at once", rate, "recorded/s"))
        print(f"{due:,} timers due at once: {rate:.0f} recorded a second")


async def used(process: int, seconds: float) -> float:
    """The part of a core that the process uses."""
    before = cpu(process)
    await asyncio.sleep(seconds)
    return (cpu(process) - before) / seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    quick = parser.parse_args().quick
    asyncio.run(main(1_000, *((3, 4.0) if quick else (5, 10.0))))
