"""Leases: each lets one process at a time do some work, until it releases the lease or the lease expires."""

import asyncio
import contextlib
import secrets

from pymongo.errors import DuplicateKeyError

from storage.mongo.connection import Database, Document

#: A lease ends after this time unless its owner renews it.
LEASE_SECONDS = 10.0
#: The time limit for releasing a lease. After that, the lease expires.
RELEASE_SECONDS = 0.5


class Lease:
    """A lease by name, for one owner, which is a random one by default.

    `renew_after`: for how many seconds after a renewal `acquire` answers without asking the database.
    """

    def __init__(self, database: Database, name: str, *, owner: str | None = None, renew_after: float = 0.0) -> None:
        self._database = database
        self._name = name
        self._owner = owner or secrets.token_hex(8)
        self._renew_after = renew_after
        self._renewed_at: float | None = None
        #: Also while an answer is awaited, and after it was given up.
        self._may_have_lease = False

    async def acquire(self) -> bool:
        """Acquire or renew the lease for LEASE_SECONDS. Returns False while another owner has it."""
        now = asyncio.get_running_loop().time()
        if self._renewed_at is None or now - self._renewed_at > self._renew_after:
            self._may_have_lease, self._renewed_at = True, None
            acquired = await acquire(self._database, self._name, owner=self._owner, seconds=LEASE_SECONDS)
            self._may_have_lease, self._renewed_at = acquired, now if acquired else None
        return self._renewed_at is not None

    async def release(self) -> None:
        """Release the lease if this owner has it. If the database does not answer in time, the lease expires."""
        if not self._may_have_lease:
            return
        self._may_have_lease, self._renewed_at = False, None
        with contextlib.suppress(Exception):
            async with asyncio.timeout(RELEASE_SECONDS):
                await release(self._database, self._name, owner=self._owner)


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


async def is_held(database: Database, name: str) -> bool:
    """Whether a process has the lease."""
    held: Document = {"_id": name, "$expr": {"$gt": ["$until", "$$NOW"]}}
    return await database["leases"].find_one(held, {"_id": 1}) is not None
