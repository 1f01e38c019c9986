"""Leases: work that any process may do and only one should, until it dies or lets go."""

from pymongo.errors import DuplicateKeyError

from storage.mongo.connection import Database, Document


async def acquire(database: Database, name: str, *, owner: str, seconds: float) -> bool:
    """Take or renew the lease; False while somebody else holds it.

    Work under a lease must bear being done twice: a holder that stood still for longer than its lease does not know.
    """
    # By the clock of the database, so that those of the processes need not agree.
    until = {"$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": int(seconds * 1000)}}
    held: Document = {"holder": {"$literal": owner}, "until": until}
    own = {"$eq": ["$holder", {"$literal": owner}]}
    result = await database["leases"].update_one(
        {"_id": name, "$expr": {"$or": [own, {"$lte": ["$until", "$$NOW"]}]}}, [{"$set": held}]
    )
    if result.matched_count:
        return True
    # There is none, or another holds it: a new one is made, and one that is there stays as it is.
    new = {key: {"$ifNull": [f"${key}", value]} for key, value in held.items()}
    try:
        result = await database["leases"].update_one({"_id": name}, [{"$set": new}], upsert=True)
    except DuplicateKeyError:
        return False
    return result.upserted_id is not None


async def release(database: Database, name: str, *, owner: str) -> None:
    await database["leases"].delete_one({"_id": name, "holder": owner})
