"""A backup has all documents and indexes of one point in time, and a restore writes them into an empty database."""

import gzip
import stat
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database as MongoDatabase

from resolvers.context import Services
from storage import backup
from storage.errors import DeploymentError
from storage.mongo import data_version
from storage.mongo.connection import Database
from storage.mongo.data_version import RESTORING
from tests.resolvers.world import World

Documents = dict[str, Any]


@pytest.fixture
async def source(services: Services) -> str:
    """The name of a database with a visitor and a waiting room."""
    world = World(services)
    await world.visitor()
    await world.waiting()
    return str(services.storage.database.raw.name)


def documents(database: MongoDatabase[Documents], name: str) -> list[Documents]:
    return list(database[name].find({}).sort("_id"))


def index_keys(database: MongoDatabase[Documents], name: str) -> dict[str, Any]:
    return {key: value["key"] for key, value in database[name].index_information().items()}


def test_a_restored_database_has_the_documents_and_indexes_of_the_backup(
    mongodb_uri: str, source: str, database_name: str, tmp_path: Path
) -> None:
    path = tmp_path / "data.backup"

    saved = backup.write(mongodb_uri, source, path)
    restored = backup.restore(mongodb_uri, database_name, path)

    with MongoClient[Documents](mongodb_uri) as client:
        before, after = client[source], client[database_name]
        stable = [name for name in backup.SAVED if name not in ("outbox", "tokens", "apps")]
        assert {name: documents(after, name) for name in stable} == {name: documents(before, name) for name in stable}
        assert {name: index_keys(after, name) for name in backup.SAVED} == {
            name: index_keys(before, name) for name in backup.SAVED
        }
        assert len(documents(after, "rooms")) == 1
        assert [name for name in backup.TRANSIENT if documents(after, name)] == []
        assert restored == saved
        client.drop_database(database_name)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_an_existing_file_is_not_replaced(mongodb_uri: str, source: str, tmp_path: Path) -> None:
    path = tmp_path / "data.backup"
    path.write_text("other")

    with pytest.raises(DeploymentError, match="exists already: name a new file"):
        backup.write(mongodb_uri, source, path)

    assert path.read_text() == "other"


def test_a_database_with_documents_is_not_restored_into(mongodb_uri: str, source: str, tmp_path: Path) -> None:
    path = tmp_path / "data.backup"
    backup.write(mongodb_uri, source, path)
    with MongoClient[Documents](mongodb_uri) as client:
        before = documents(client[source], "rooms")

        with pytest.raises(DeploymentError, match=f"The database {source} is not empty"):
            backup.restore(mongodb_uri, source, path)

        assert documents(client[source], "rooms") == before
        assert client[source]["versions"].find_one({"_id": RESTORING}) is None


@pytest.mark.parametrize("damage", ["cut", "changed", "text", "without an end"])
def test_a_damaged_backup_is_refused_before_anything_is_written(
    mongodb_uri: str, source: str, database_name: str, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "data.backup"
    backup.write(mongodb_uri, source, path)
    data = bytearray(path.read_bytes())
    match damage:
        case "cut":
            path.write_bytes(data[: len(data) // 2])
        case "changed":
            data[len(data) // 2] ^= 0xFF
            path.write_bytes(data)
        case "text":
            path.write_text("no backup")
        case _:
            plain = gzip.decompress(data)
            path.write_bytes(gzip.compress(plain[: plain.rindex(b"E\x14\x00\x00\x00")]))

    with pytest.raises(DeploymentError, match=r"(damaged|incomplete)"):
        backup.restore(mongodb_uri, database_name, path)

    with MongoClient[Documents](mongodb_uri) as client:
        assert database_name not in client.list_database_names()


async def test_nothing_starts_on_a_database_whose_restore_was_interrupted(
    mongodb_uri: str, source: str, database_name: str, tmp_path: Path
) -> None:
    path = tmp_path / "data.backup"
    backup.write(mongodb_uri, source, path)
    with MongoClient[Documents](mongodb_uri) as client:
        client[database_name]["versions"].insert_one({"_id": RESTORING})

        with pytest.raises(DeploymentError, match="is running, or was interrupted"):
            backup.restore(mongodb_uri, database_name, path)
        async with Database(mongodb_uri, database_name) as database:
            with pytest.raises(DeploymentError, match="A restore into the database"):
                await data_version.require_supported(database)

        assert client[database_name].list_collection_names() == ["versions"]
        client.drop_database(database_name)
