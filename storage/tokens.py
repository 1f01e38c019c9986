"""Tokens of apps, logged-in users and visitors. Only their hashes are stored.

log/token_watcher.py watches for their end.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from pymongo import ASCENDING
from pymongo.errors import PyMongoError

from storage.errors import Unavailable
from storage.mongo import stored_documents
from storage.mongo.connection import Document, to_document, to_record
from storage.mongo.reader import Reader
from storage.records import Token
from storage.transactions.transaction import Transaction


def digest(token: str) -> str:
    """Return the hash of a token, which is its id. Tokens are long and random, so they need no salt."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


async def find(reader: Reader, token_id: str) -> Token | None:
    """Return a token if it is valid now, or None. Raises Unavailable if the database does not answer."""
    try:
        found, _ = await stored_documents.find(reader.database, "tokens", {"_id": token_id})
    except PyMongoError as error:
        raise Unavailable("The database does not answer; try again.", retryable=True) from error
    if not found:
        return None
    token: Token = to_record(stored_documents.decode(found[0]), Token)
    return token if token.expires_at is None or token.expires_at > reader.database.now() else None


async def insert(tx: Transaction, token: Token) -> None:
    await tx.collection("tokens").insert_one(to_document(token), session=await tx.write_session())


async def insert_limited(tx: Transaction, token: Token, *, most: int) -> None:
    """Insert a token, and delete the oldest tokens of its holder, so that it has at most `most`."""
    others = await list_by_holder(tx, token.holder_id)
    if len(others) >= most:
        await delete(tx, token.holder_id, digests=[other.id for other in others[: len(others) - most + 1]])
    await insert(tx, token)


async def list_by_holder(reader: Reader, holder_id: str) -> list[Token]:
    """Return all tokens of a holder, oldest first, including expired ones that MongoDB has not deleted yet."""
    query: Document = {"holderId": holder_id}
    cursor = reader.collection("tokens").find(
        query, sort=[("createdAt", ASCENDING)], session=await reader.read_session()
    )
    return [to_record(document, Token) for document in await cursor.to_list(None)]


async def expire(tx: Transaction, holder_id: str, *, at: datetime) -> None:
    """Set the expiry of all tokens of a holder that expire after that time."""
    await tx.collection("tokens").update_many(
        {"holderId": holder_id, "$or": [{"expiresAt": None}, {"expiresAt": {"$gt": at}}]},
        {"$set": {"expiresAt": at}},
        session=await tx.write_session(),
    )


async def delete(tx: Transaction, holder_id: str, *, digests: Iterable[str] | None = None) -> None:
    """Delete all tokens of a holder, or those with these digests."""
    query: Document = {"holderId": holder_id}
    if digests is not None:
        query["_id"] = {"$in": list(digests)}
    await tx.collection("tokens").delete_many(query, session=await tx.write_session())
