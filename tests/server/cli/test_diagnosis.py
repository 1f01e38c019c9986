"""`switchboard doctor` names problems with what to do. A real database has each problem."""

import os
from datetime import timedelta

import pytest

from resolvers.context import Services
from server.cli import diagnosis
from server.cli.diagnosis import Finding, Level
from server.settings import Settings
from storage import consumers
from storage.mongo.data_version import DATA_VERSION
from storage.records import Actor, ActorType
from tests.resolvers.test_webhooks import create as create_webhook
from tests.resolvers.world import World
from tests.storage.support import until

OWNER = Actor(type=ActorType.APP, id="owner", name="crm")


async def examined(services: Services, uri: str) -> dict[str, Finding]:
    """The findings about the database of the services, by subject."""
    name = services.storage.database.raw.name
    return {finding.subject: finding for finding in await diagnosis.examine_database(uri, name)}


async def test_a_database_that_is_in_order_has_no_problem(services: Services, mongodb_uri: str) -> None:
    found = await examined(services, mongodb_uri)

    assert {subject: finding.level for subject, finding in found.items()} == {
        "MongoDB": Level.NOTE,  # one member
        "data": Level.OK,
        "indexes": Level.OK,
        "counts": Level.OK,
        "clock": Level.OK,
        "outbox": Level.OK,
        "consumers": Level.OK,
        "webhooks": Level.OK,
        "queue": Level.OK,
    }


async def test_every_problem_has_a_remedy(services: Services, mongodb_uri: str) -> None:
    database = services.storage.database
    agent = await World(services).agent("ada")
    await services.storage.appender.cleanup.wait()

    async def is_empty() -> bool:
        return await database["outbox"].count_documents({}) == 0

    await until(is_empty)
    await database["rooms"].drop_index("queue_by_filter")
    await database["users"].update_one({"_id": agent.id}, {"$set": {"agent.openRoomCount": 7}})
    await database["versions"].delete_many({})
    await database["versions"].insert_one(
        {"_id": "migration-2", "name": "folded text", "state": "failed", "documents": 7, "error": "ValueError: no"}
    )
    await database["outbox"].insert_one(
        {"_id": "late-1", "subject": "late", "number": 1, "at": database.now() - timedelta(hours=1), "fact": {}}
    )
    await database["log"].insert_one({"_id": 50_000, "fact": {"id": "far-1"}})
    await consumers.create(services.storage.reader, OWNER, "slow", start=40_000)
    await database["log"].delete_many({"_id": {"$lt": 5}})
    await create_webhook(World(services).context)

    found = await examined(services, mongodb_uri)

    assert (found["indexes"].level, found["indexes"].text) == (Level.PROBLEM, "missing: rooms.queue_by_filter.")
    assert found["counts"].text == "the openRoomCount of 1 agents is wrong."
    pending, failed = found["migration 1 (message numbers)"], found["migration 2 (folded text)"]
    assert (pending.level, pending.text) == (Level.NOTE, "the data need it for version 1; this program writes 2.")
    assert (failed.level, failed.text) == (Level.PROBLEM, "it failed after 7 documents: ValueError: no")
    assert (found["outbox"].level, found["outbox"].text[:28]) == (Level.PROBLEM, "1 events have waited for up ")
    assert (found["consumer slow of crm"].level, found["consumer slow of crm"].text) == (
        Level.NOTE,
        "it has no connection and is 10000 events behind.",
    )
    assert (found["webhooks"].level, found["webhooks"].text) == (
        Level.NOTE,
        "0 are active, 0 failing and 1 paused.",
    )
    assert all(finding.remedy for finding in found.values() if finding.level is not Level.OK)


@pytest.mark.parametrize(
    ("usable_by", "level", "text"),
    [
        (DATA_VERSION, Level.NOTE, "version 9, which this program, of version 2, can use."),
        (9, Level.PROBLEM, "A newer version of Switchboard has written to the database test-services: its data has"),
    ],
)
async def test_data_of_a_newer_version_are_found(
    services: Services, mongodb_uri: str, usable_by: int, level: Level, text: str
) -> None:
    newer = {"version": 9, "usableBy": usable_by}
    await services.storage.database["versions"].update_one({"_id": "data"}, {"$set": newer})

    found = (await examined(services, mongodb_uri))["data"]

    assert (found.level, found.text[: len(text)], bool(found.remedy)) == (level, text, True)


async def test_a_consumer_whose_events_are_gone_is_a_problem(services: Services, mongodb_uri: str) -> None:
    await consumers.create(services.storage.reader, OWNER, "lost", start=1)
    await services.storage.database["log"].insert_one({"_id": 50_000, "fact": {"id": "far-1"}})
    await services.storage.database["log"].delete_many({"_id": {"$lt": 50_000}})

    found = (await examined(services, mongodb_uri))["consumer lost of crm"]

    assert (found.level, found.text) == (Level.PROBLEM, "49998 events after its position are not kept any more.")


def test_the_default_settings_are_in_order() -> None:
    assert diagnosis.examine_settings(Settings(), {}) == [diagnosis.ok("settings", "they are valid.")]


@pytest.mark.parametrize(
    ("settings", "environment", "level", "text"),
    [
        (Settings(), {"SWITCHBOARD_PROT": "1"}, Level.PROBLEM, "there is no setting SWITCHBOARD_PROT."),
        (
            Settings(host="0.0.0.0"),
            {},
            Level.NOTE,
            "the server listens on 0.0.0.0 and trusts no proxy: tokens are sent without TLS.",
        ),
        (
            Settings(metrics_port=9100, metrics_host="10.0.0.1"),
            {},
            Level.NOTE,
            "/metrics is served on 10.0.0.1 without a token.",
        ),
        (
            Settings(workers=256),
            {},
            Level.NOTE,
            f"there are 256 workers and {os.cpu_count()} cores.",
        ),
    ],
)
def test_settings_that_do_not_fit_are_found(
    settings: Settings, environment: dict[str, str], level: Level, text: str
) -> None:
    (found,) = diagnosis.examine_settings(settings, environment)

    assert (found.level, found.text, bool(found.remedy)) == (level, text, True)
