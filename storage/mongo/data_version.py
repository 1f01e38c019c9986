"""The version of the data in a database, which a process of an older version must not use."""

from storage.errors import DeploymentError
from storage.mongo.connection import Database

#: Increment it with a change of the stored documents that earlier versions cannot read, or would damage.
DATA_VERSION = 1
_ID = "data"
#: The id of a document that exists while a backup is restored.
RESTORING = "restoring"


async def require_supported(database: Database, *, supported: int = DATA_VERSION) -> None:
    """Record the supported version in the database. Raises DeploymentError if the data has a later one."""
    versions = database["versions"]
    if await versions.find_one({"_id": RESTORING}) is not None:
        raise DeploymentError(
            f"A restore into the database {database.raw.name} is running, or was interrupted. Wait for it, or drop the "
            "database and restore again."
        )
    await versions.update_one({"_id": _ID}, {"$max": {"version": supported}}, upsert=True)
    document = await versions.find_one({"_id": _ID})
    version = supported if document is None else int(document["version"])
    if version > supported:
        raise DeploymentError(
            f"A newer version of Switchboard has written to the database {database.raw.name}: its data has version "
            f"{version}, and this program supports versions up to {supported}. Upgrade this program, or set "
            "SWITCHBOARD_DATABASE to another database."
        )


async def read(database: Database) -> int:
    """The version of the data in the database; 0 if none is recorded."""
    document = await database["versions"].find_one({"_id": _ID})
    return 0 if document is None else int(document["version"])
