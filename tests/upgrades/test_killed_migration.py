"""A server that is killed in the middle of a migration leaves nothing to repair: the next ones continue."""

import asyncio
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from storage.migrations import folded_text, message_numbers, runner
from storage.mongo.data_version import DATA_VERSION
from tests.processes import ServerProcess
from tests.upgrades.test_data_of_releases import load, recorded

FIRST_RELEASE = Path(__file__).parent / "0.1.0.json"


def stop_after_the_first_room() -> None:
    """Let the migrations of this process store their progress after each document, and hang after the first."""
    message_numbers.BATCH = folded_text.BATCH = 1
    advance = runner.StoredProgress.advance

    async def advance_and_hang(self: runner.StoredProgress, position: str, documents: int) -> None:
        await advance(self, position, documents)
        await asyncio.Event().wait()

    runner.StoredProgress.advance = advance_and_hang  # type: ignore[method-assign]


async def test_a_killed_migration_is_continued_by_the_next_servers(mongodb_uri: str, database_name: str) -> None:
    with MongoClient[dict[str, Any]](mongodb_uri, tz_aware=True) as mongo:
        database = mongo[database_name]
        load(database, recorded(FIRST_RELEASE))
        first, *_ = sorted(room["_id"] for room in database["rooms"].find({}, {"_id": 1}))

        with ServerProcess(mongodb_uri, database_name, stop_after_the_first_room) as doomed:
            async with asyncio.timeout(60):
                while not (between := database["versions"].find_one({"_id": "migration-1", "documents": 1})):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            doomed.kill()
        with ServerProcess(mongodb_uri, database_name) as one, ServerProcess(mongodb_uri, database_name) as other:
            assert one.url != other.url
        states = {each["_id"]: each for each in database["versions"].find()}
        numbers = [message["number"] for message in database["messages"].find().sort("_id")]
        subjects = {room["subject"]: room["subjectKey"] for room in database["rooms"].find()}
        mongo.drop_database(database_name)

    assert (between["state"], between["position"]) == ("running", first)
    assert states["data"] == {"_id": "data", "version": DATA_VERSION, "usableBy": DATA_VERSION}
    # Of three rooms, the servers after the kill read the two that were left.
    assert (states["migration-1"]["state"], states["migration-1"]["documents"]) == ("done", 3)
    assert states["migration-2"]["state"] == "done"
    assert numbers == [1, 2]
    assert subjects == {f"room {number}": f"room {number}" for number in range(3)}
