"""Leases: work that any process may do and only one should, until it dies or lets go."""

from datetime import timedelta

from pymongo.errors import DuplicateKeyError

from storage.database import Database, now


async def hold(database: Database, name: str, *, holder: str, seconds: float) -> bool:
    """Take or renew the lease; False while somebody else holds it.

    Work under a lease must bear being done twice: a holder that stood still for longer than its lease does not know.
    """
    moment = now()
    try:
        await database["leases"].update_one(
            {"_id": name, "$or": [{"holder": holder}, {"until": {"$lte": moment}}]},
            {"$set": {"holder": holder, "until": moment + timedelta(seconds=seconds)}},
            upsert=True,
        )
    except DuplicateKeyError:
        return False
    return True


async def release(database: Database, name: str, *, holder: str) -> None:
    await database["leases"].delete_one({"_id": name, "holder": holder})
