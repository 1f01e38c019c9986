"""What a database stores about its migrations: a document for each, in `versions`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from storage.migrations.migration import Migration, MigrationState, State
from storage.mongo import data_version
from storage.mongo.connection import Database, Document

#: The most characters of an error that are stored.
LONGEST_ERROR = 500


def id_of(migration: Migration) -> str:
    return f"migration-{migration.version}"


async def read(database: Database, migration: Migration) -> Document | None:
    found: Document | None = await database["versions"].find_one({"_id": id_of(migration)})
    return found


async def update(database: Database, migration: Migration, **values: Any) -> None:
    document = {"name": migration.name, **values}
    await database["versions"].update_one({"_id": id_of(migration)}, {"$set": document}, upsert=True)


async def mark_failed(database: Database, migration: Migration, error: Exception) -> None:
    text = f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
    await update(database, migration, state=State.FAILED.value, error=text)


async def mark_done(database: Database, migration: Migration, *, at: datetime, repeat: bool) -> None:
    """`repeat`: whether processes of an earlier version run, which may still write documents in the old form."""
    await update(database, migration, state=State.DONE.value, doneAt=at, error="", repeat=repeat)


async def list_states(database: Database, migrations: Sequence[Migration]) -> list[MigrationState]:
    """The state of each migration, in their order."""
    version = await data_version.read(database)
    return [state_of(migration, await read(database, migration), version) for migration in migrations]


def state_of(migration: Migration, document: Document | None, version: int) -> MigrationState:
    """The state by the document of the migration and the version of the data.

    Without a document it is done if the version says so: servers before 0.2.0 was released stored only the version.
    """
    if document is None:
        return MigrationState(migration, State.DONE if migration.version <= version else State.PENDING)
    return MigrationState(
        migration, State(document["state"]), int(document.get("documents", 0)), document.get("error", "")
    )
