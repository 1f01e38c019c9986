"""The version of the data in a database, which a process of an older version must not use unless it can."""

from storage.errors import DeploymentError
from storage.mongo.connection import Database

#: The version of the last migration (storage/migrations/registry.py).
DATA_VERSION = 2
_ID = "data"
#: The id of a document that exists while a backup is restored.
RESTORING = "restoring"


async def require_supported(database: Database, *, supported: int = DATA_VERSION) -> None:
    """Raises DeploymentError if the data has a later version that programs of this version cannot use."""
    versions = database["versions"]
    if await versions.find_one({"_id": RESTORING}) is not None:
        raise DeploymentError(
            f"A restore into the database {database.raw.name} is running, or was interrupted. Wait for it, or drop the "
            "database and restore again."
        )
    document = await versions.find_one({"_id": _ID}) or {"version": 0}
    version = int(document["version"])
    if int(document.get("usableBy", version)) > supported:
        raise DeploymentError(
            f"A newer version of Switchboard has written to the database {database.raw.name}: its data has version "
            f"{version}, and this program supports versions up to {supported}. Upgrade this program, or set "
            "SWITCHBOARD_DATABASE to another database."
        )


async def record(database: Database, version: int, *, usable_by: int | None) -> None:
    """Store that the data has this version, and that programs of the version `usable_by` or later can use it.

    None: those that could before. Neither number decreases.
    """
    higher = {"version": version} if usable_by is None else {"version": version, "usableBy": usable_by}
    if usable_by is None:
        # Before, only programs of the stored version or later could use the data.
        present = {"$ifNull": ["$usableBy", {"$ifNull": ["$version", 0]}]}
        await database["versions"].update_one({"_id": _ID}, [{"$set": {"usableBy": present}}], upsert=True)
    await database["versions"].update_one({"_id": _ID}, {"$max": higher}, upsert=True)


async def read(database: Database) -> int:
    """The version of the data in the database; 0 if none is recorded."""
    document = await database["versions"].find_one({"_id": _ID})
    return 0 if document is None else int(document.get("version", 0))
