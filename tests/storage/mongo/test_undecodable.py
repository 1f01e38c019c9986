"""Records of a newer version, as during a rolling upgrade: background work skips them and loses nothing."""

import asyncio
import logging

import pytest

from storage import departments, maintenance, users
from storage.custom_fields import definitions, unique_indexes
from storage.errors import Unavailable
from storage.mongo.connection import Document
from storage.records import FieldDefinition, FieldTarget, FieldType
from storage.runtime import Storage
from tests.databases import emptied
from tests.storage.support import make_facts, opened, read_all, save, save_and_die, until

DEFINITION: Document = {
    "_id": "newer",
    "version": 1,
    "factCount": 1,
    "target": "VISITOR",
    "key": "shape",
    "type": "HOLOGRAM",
    "label": "Shape",
    "required": False,
    "unique": True,
    "options": [],
    "pattern": None,
}


@pytest.fixture
def name(mongodb_uri: str) -> str:
    return emptied(mongodb_uri, "test-undecodable")


async def test_heartbeat_continues_with_a_definition_of_a_newer_version(
    mongodb_uri: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Storage.open(mongodb_uri, name) as storage:
        await storage.database["custom_fields"].insert_one({**DEFINITION})
        await storage.database["rules"].update_one({"_id": "custom_fields"}, {"$inc": {"epoch": 1}}, upsert=True)

        async def known_of() -> bool:
            return "newer" in storage.definition_cache.undecodable

        await until(known_of)
        before = await _heartbeat_count(storage)

        async def beats() -> bool:
            return await _heartbeat_count(storage) > before + 1

        await until(beats)
        assert storage.supervisor.failures() == []
        assert storage.definition_cache.lowest_epoch_in_use == storage.definition_cache.epoch
        assert storage.database.undecodable.counts == {"custom_fields": 1}
        assert await definitions.list_all(storage.reader) == []

    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert errors[0].startswith("The record newer in custom_fields cannot be decoded by this version and is left out")


async def _heartbeat_count(storage: Storage) -> int:
    process = await storage.database["processes"].find_one({"_id": storage.process.id})
    return 0 if process is None else int(process["beats"])


async def test_heartbeat_continues_when_the_definitions_cannot_be_read(
    mongodb_uri: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Storage.open(mongodb_uri, name) as storage:

        async def fail() -> None:
            raise ValueError("an unexpected error")

        monkeypatch.setattr(storage.definition_cache, "catch_up", fail)
        before = await _heartbeat_count(storage)

        async def beats() -> bool:
            return await _heartbeat_count(storage) > before + 2

        await until(beats)
        assert [failure.name for failure in storage.supervisor.failures()] == ["heartbeat"]


async def test_values_of_fields_of_a_newer_version_are_preserved_by_writes(mongodb_uri: str, name: str) -> None:
    async with Storage.open(mongodb_uri, name) as storage:
        saved = await save(storage, "one", "before")
        entry = {"k": "newer", "c": ["", "stale"], "v": "cube"}
        await storage.database["visitors"].update_one(
            {"_id": saved.id}, {"$set": {"fields.newer": "cube"}, "$push": {"attrs": entry}}
        )
        await storage.database["custom_fields"].insert_one({**DEFINITION})

        changed = await save(storage, "one", "after")

        held: Document | None = await storage.database["visitors"].find_one({"_id": saved.id})
        assert held is not None
        assert (held["name"], held["fields"], held["version"]) == ("after", {"newer": "cube"}, changed.version)
        assert held["attrs"] == [{"k": "newer", "c": [""], "v": "cube"}]
        assert dict(changed.custom_fields) == {}


async def test_unique_index_of_a_field_of_a_newer_version_stays(mongodb_uri: str, name: str) -> None:
    async with Storage.open(mongodb_uri, name) as storage:
        await storage.database["custom_fields"].insert_one({**DEFINITION})
        definition = FieldDefinition(
            id="newer", target=FieldTarget.VISITOR, key="shape", type=FieldType.TEXT, label="Shape", unique=True
        )
        await unique_indexes.create(storage.database, definition)

        await maintenance.reconcile_definitions(storage.reader, storage.process)

        assert await unique_indexes.list_all(storage.database) == [(FieldTarget.VISITOR, "newer")]


async def test_lists_of_background_work_skip_undecodable_records(mongodb_uri: str, name: str) -> None:
    async with Storage.open(mongodb_uri, name) as storage:
        await storage.database["departments"].insert_one({"_id": "d", "version": 1, "routing": "BY_DICE"})
        await storage.database["users"].insert_one(
            {"_id": "u", "version": 1, "agent": {"status": "DREAMING"}, "fields": {}, "attrs": [], "usernameKey": "u"}
        )

        assert await departments.list_all(storage.reader) == []
        assert await users.list_agents(storage.reader) == []

        assert storage.database.undecodable.counts == {"departments": 1, "users": 1}


async def test_reading_the_log_ends_before_a_fact_of_a_newer_version_and_skips_none(
    mongodb_uri: str, name: str
) -> None:
    async with Storage.open(mongodb_uri, name) as storage:
        head = await storage.log.head()
        await storage.appender.append(make_facts(3))
        await storage.database["log"].update_one({"_id": head + 2}, {"$set": {"fact.type": "ROOM_PAINTED"}})

        assert [fact.sequence for fact in await storage.log.read(head, 10)] == [head + 1]
        with pytest.raises(Unavailable, match=f"Event {head + 2} was written by a newer version"):
            await storage.log.read(head + 1, 10)


async def test_process_with_an_undecodable_fact_stops_reading_and_reports_it(mongodb_uri: str, name: str) -> None:
    async with opened(mongodb_uri, name, processes=2) as (older, newer):
        older.appender._published = lambda *_: None
        head = await older.log.head()
        await newer.database["log"].insert_one({"_id": head + 1, "fact": {"type": "ROOM_PAINTED", "id": "x-1"}})

        async def shown() -> bool:
            return [failure.name for failure in older.supervisor.failures()] == ["follow the log"]

        await until(shown)
        assert older.feed.head == head


async def test_undecodable_fact_in_the_outbox_delays_only_its_subject(mongodb_uri: str, name: str) -> None:
    async with Storage.open(mongodb_uri, name) as storage:
        await save_and_die(storage, "one")
        (waiting,) = await storage.database["outbox"].find({}).to_list(None)
        await storage.database["outbox"].update_one({"_id": waiting["_id"]}, {"$set": {"fact.type": "VISITOR_PAINTED"}})
        head = await storage.log.head()

        async with asyncio.timeout(30):
            await save(storage, "one", "again")  # follows a fact that this process cannot append
            await save(storage, "two")

        assert [fact.subject_id for fact in await read_all(storage, after=head)] != [waiting["subject"]]
        assert len(await read_all(storage, after=head)) == 1
        assert await storage.database["outbox"].count_documents({"subject": waiting["subject"]}) == 2

        await storage.database["outbox"].update_one({"_id": waiting["_id"]}, {"$set": {"fact.type": "VISITOR_SAVED"}})
        await storage.sweeps.sweep()

        numbers = [fact.subject_number for fact in await read_all(storage, after=head)]
        assert numbers == [1, 1, 2]
