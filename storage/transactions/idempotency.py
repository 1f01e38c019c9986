"""First answers of mutations, so that sending one again changes nothing: written in the transaction of the change."""

from collections.abc import Sequence
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern

from storage.mongo.connection import MAX_BATCH_ROWS, Document
from storage.mongo.reader import Reader
from storage.transactions.transaction import Conflict, Transaction


def _key(actor_id: str, client_mutation_id: str) -> Document:
    return {"actor": actor_id, "mutation": client_mutation_id}


async def find(reader: Reader, actor_id: str, client_mutation_id: str) -> tuple[str, Any] | None:
    """The fingerprint of a mutation that was carried out, and its answer; None if there was none."""
    answers = reader.collection("idempotency")

    async def read(keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, Any]]:
        query = {"_id": {"$in": [_key(*key) for key in keys]}}
        documents = await answers.find(query, batch_size=MAX_BATCH_ROWS).to_list(None)
        return {(one["_id"]["actor"], one["_id"]["mutation"]): (one["fingerprint"], one["answer"]) for one in documents}

    found: tuple[str, Any] | None
    found = await reader.database.batch_loaders.loader("answers", read).load((actor_id, client_mutation_id))
    return found


async def is_recorded(reader: Reader, actor_id: str, client_mutation_id: str) -> bool:
    """Whether that mutation was carried out by now, be it known to a majority already or not."""
    present = reader.collection("idempotency").with_options(read_concern=ReadConcern("local"))
    return await present.find_one({"_id": _key(actor_id, client_mutation_id)}, {"_id": 1}) is not None


def insert(tx: Transaction, actor_id: str, client_mutation_id: str, *, fingerprint: str, answer: object) -> None:
    """Remember an answer. Starts the change again when another attempt was first, so that it finds its answer."""
    answers = tx.collection("idempotency").delegate
    key = _key(actor_id, client_mutation_id)
    first = {"_id": key, "fingerprint": fingerprint, "answer": answer, "at": tx.now}

    def write(session: ClientSession) -> None:
        try:
            answers.insert_one(first, session=session)
        except DuplicateKeyError:
            raise Conflict from None

    tx.defer_write(write)
