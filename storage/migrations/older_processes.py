"""Processes of earlier versions on a database. The heartbeat of a process has the version of the data that it knows."""

import asyncio
import time
from collections.abc import Sequence

from pymongo.read_concern import ReadConcern

from storage.mongo.connection import Database, Document

POLL_SECONDS = 0.5
#: A process whose heartbeat counter has not changed for so long is dead. Living ones increment it twice a second.
DEAD_SECONDS = 3.0


async def list_documents(database: Database, version: int) -> list[Document]:
    """The documents of processes that know an earlier version of the data. Some may be of dead processes."""
    processes = database["processes"].with_options(read_concern=ReadConcern("local"))
    older: Document = {"$or": [{"dataVersion": {"$lt": version}}, {"dataVersion": {"$exists": False}}]}
    found: list[Document] = await processes.find(older, {"beats": 1}).to_list(None)
    return found


async def wait_until_ended(database: Database, version: int, *, seconds: float) -> int:
    """Wait until no process of an earlier version lives. Returns how many still live after that time."""
    began = time.monotonic()
    #: By process: its counter, and when it was seen first.
    seen: dict[str, tuple[int, float]] = {}
    while living := _living(await list_documents(database, version), seen):
        if time.monotonic() - began > seconds:
            return living
        await asyncio.sleep(POLL_SECONDS)
    return 0


def _living(documents: Sequence[Document], seen: dict[str, tuple[int, float]]) -> int:
    now = time.monotonic()
    living = 0
    for document in documents:
        counter = int(document.get("beats", 0))
        before, since = seen.get(document["_id"], (-1, now))
        if counter != before:
            since = now
        seen[document["_id"]] = (counter, since)
        living += now - since < DEAD_SECONDS
    return living
