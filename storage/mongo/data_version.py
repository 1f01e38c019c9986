"""The version of the data in a database, which a process of an older version must not use."""

from storage.errors import DeploymentError
from storage.mongo.connection import Database

#: Increment it with a change of the stored documents that earlier versions cannot read, or would damage.
DATA_VERSION = 1
_ID = "data"


async def require_supported(database: Database, *, supported: int = DATA_VERSION) -> None:
    """Record the supported version in the database. Raises DeploymentError if the data has a later one."""
    versions = database["versions"]
    await versions.update_one({"_id": _ID}, {"$max": {"version": supported}}, upsert=True)
    document = await versions.find_one({"_id": _ID})
    version = supported if document is None else int(document["version"])
    if version > supported:
        raise DeploymentError(
            f"A newer version of Switchboard has written to the database {database.raw.name}: its data has version "
            f"{version}, and this program supports versions up to {supported}. Upgrade this program, or set "
            "SWITCHBOARD_DATABASE to another database."
        )
