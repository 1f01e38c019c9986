"""Hashes of passwords, kept apart from users so that no read of a user ever carries one."""

from storage.mongo.reader import Reader
from storage.transactions.transaction import Conflict, Transaction


async def find(reader: Reader, user_id: str) -> str | None:
    """The hash of a user's password, if the user has one."""
    document = await reader.collection("passwords").find_one({"_id": user_id})
    return None if document is None else str(document["hash"])


async def save(tx: Transaction, user_id: str, password_hash: str) -> None:
    await tx.collection("passwords").update_one(
        {"_id": user_id}, {"$set": {"hash": password_hash}}, upsert=True, session=await tx.write_session()
    )


async def delete(tx: Transaction, user_id: str) -> None:
    await tx.collection("passwords").delete_one({"_id": user_id}, session=await tx.write_session())


async def lock(tx: Transaction, user_id: str, password_hash: str) -> None:
    """Let no other change replace or remove this hash before this one is over. Raises Conflict when one has."""
    held = await tx.collection("passwords").update_one(
        {"_id": user_id, "hash": password_hash}, {"$set": {"usedAt": tx.now}}, session=await tx.write_session()
    )
    if not held.matched_count:
        raise Conflict
