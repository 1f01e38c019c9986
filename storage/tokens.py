"""Tokens of apps and of signed-in users: only their hashes are kept. Hearing of their end is in
log/token_watcher.py."""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from pymongo import ASCENDING
from pymongo.errors import PyMongoError

from storage.errors import Unavailable
from storage.mongo.connection import Document, to_document, to_record
from storage.mongo.reader import Reader
from storage.records import Token
from storage.transactions.transaction import Transaction


def digest(token: str) -> str:
    """What is kept of a token, and its id. Tokens are long and random, so that a plain hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


async def find(reader: Reader, token_id: str) -> Token | None:
    """What is known of a token that is valid now. Raises Unavailable when the database does not answer."""
    try:
        document = await reader.collection("tokens").find_one({"_id": token_id})
    except PyMongoError as error:
        raise Unavailable("The database does not answer.", retryable=True) from error
    if document is None:
        return None
    found: Token = to_record(document, Token)
    return found if found.expires_at is None or found.expires_at > reader.database.now() else None


async def insert(tx: Transaction, token: Token) -> None:
    await tx.collection("tokens").insert_one(to_document(token), session=await tx.write_session())


async def list_by_holder(reader: Reader, holder_id: str) -> list[Token]:
    """All tokens of an app or user, oldest first, those that have expired included until MongoDB drops them."""
    query: Document = {"holderId": holder_id}
    cursor = reader.collection("tokens").find(
        query, sort=[("createdAt", ASCENDING)], session=await reader.read_session()
    )
    return [to_record(document, Token) for document in await cursor.to_list(None)]


async def expire(tx: Transaction, holder_id: str, *, at: datetime) -> None:
    """Let all tokens of an app or user end at that time, those that end sooner excepted."""
    await tx.collection("tokens").update_many(
        {"holderId": holder_id, "$or": [{"expiresAt": None}, {"expiresAt": {"$gt": at}}]},
        {"$set": {"expiresAt": at}},
        session=await tx.write_session(),
    )


async def delete(tx: Transaction, holder_id: str, *, digests: Iterable[str] | None = None) -> None:
    """End all tokens of an app or user at once, or those of them that are named."""
    query: Document = {"holderId": holder_id}
    if digests is not None:
        query["_id"] = {"$in": list(digests)}
    await tx.collection("tokens").delete_many(query, session=await tx.write_session())
