"""Imports: which entity each record of another system became.

The transaction that creates the entity also stores this, so that a repeated or interrupted import creates nothing
twice.
"""

from collections.abc import Sequence

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from storage.facts import MessageFact
from storage.mongo.connection import MAX_BATCH_ROWS, Document
from storage.mongo.reader import Reader
from storage.transactions.conflicts import Conflict
from storage.transactions.transaction import Transaction

COLLECTION = "imports"


async def get_many(reader: Reader, source_ids: Sequence[str]) -> dict[str, str]:
    """The ids of the entities that these records became, by the ids of the records. Others are absent."""
    found = reader.collection(COLLECTION).find({"_id": {"$in": list(source_ids)}}, batch_size=MAX_BATCH_ROWS)
    return {document["_id"]: document["entityId"] for document in await found.to_list(None)}


def record(tx: Transaction, source_id: str) -> None:
    """Store that the record became the entity that the transaction creates or changes first.

    Raises Conflict if another process has imported the record, so that the next attempt finds that out.
    """
    if not tx.facts:
        return
    fact = tx.facts[0]
    entity_id = fact.message.id if isinstance(fact, MessageFact) else fact.subject_id
    collection = tx.collection(COLLECTION).delegate
    document: Document = {"_id": source_id, "entityId": entity_id, "at": tx.now}

    def write(session: ClientSession) -> None:
        try:
            collection.insert_one(document, session=session)
        except DuplicateKeyError:
            raise Conflict from None

    tx.defer_write(write)
