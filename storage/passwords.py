"""Hashes of passwords, in a collection of their own so that a read of a user never contains one."""

from storage.mongo.reader import Reader
from storage.transactions.conflicts import Conflict
from storage.transactions.transaction import Transaction


async def find(reader: Reader, user_id: str) -> str | None:
    """Return the hash of a user's password, or None."""
    document = await reader.collection("passwords").find_one({"_id": user_id})
    return None if document is None else str(document["hash"])


async def save(tx: Transaction, user_id: str, password_hash: str) -> None:
    await tx.collection("passwords").update_one(
        {"_id": user_id}, {"$set": {"hash": password_hash}}, upsert=True, session=await tx.write_session()
    )


async def delete(tx: Transaction, user_id: str) -> None:
    await tx.collection("passwords").delete_one({"_id": user_id}, session=await tx.write_session())


async def lock(tx: Transaction, user_id: str, password_hash: str) -> None:
    """Write to the hash, so that no other transaction replaces it before this one ends. Raises Conflict if one did."""
    result = await tx.collection("passwords").update_one(
        {"_id": user_id, "hash": password_hash}, {"$set": {"usedAt": tx.now}}, session=await tx.write_session()
    )
    if not result.matched_count:
        raise Conflict
