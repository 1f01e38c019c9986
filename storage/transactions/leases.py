"""Leases: each lets one process at a time do some work, until it releases the lease or the lease expires."""

from pymongo.errors import DuplicateKeyError

from storage.mongo.connection import Database, Document


async def acquire(database: Database, name: str, *, owner: str, seconds: float) -> bool:
    """Acquire or renew the lease. Returns False while another owner has it.

    Work under a lease must be idempotent: an owner that was suspended until its lease expired does not notice.
    """
    # The database's clock decides, because the clocks of processes differ.
    until = {"$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": int(seconds * 1000)}}
    lease: Document = {"holder": {"$literal": owner}, "until": until}
    own = {"$eq": ["$holder", {"$literal": owner}]}
    result = await database["leases"].update_one(
        {"_id": name, "$expr": {"$or": [own, {"$lte": ["$until", "$$NOW"]}]}}, [{"$set": lease}]
    )
    if result.matched_count:
        return True
    # No lease exists, or another owner has it. The upsert creates a lease and does not change an existing one.
    new = {key: {"$ifNull": [f"${key}", value]} for key, value in lease.items()}
    try:
        result = await database["leases"].update_one({"_id": name}, [{"$set": new}], upsert=True)
    except DuplicateKeyError:
        return False
    return result.upserted_id is not None


async def release(database: Database, name: str, *, owner: str) -> None:
    await database["leases"].delete_one({"_id": name, "holder": owner})
