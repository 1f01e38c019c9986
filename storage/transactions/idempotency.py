"""Recorded answers of mutations, by which a repeated mutation returns the first answer and changes nothing.

The answer is written in the transaction of the mutation.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from pymongo.read_concern import ReadConcern

from storage.message_records import Message, redaction_update
from storage.mongo.connection import MAX_BATCH_ROWS, Document
from storage.mongo.reader import Reader
from storage.transactions.conflicts import Conflict
from storage.transactions.transaction import Transaction
from storage.transactions.writes import insertion

#: Answers that are removed at once.
ERASE_BATCH = 1_000


def _key(actor_id: str, client_mutation_id: str) -> Document:
    return {"actor": actor_id, "mutation": client_mutation_id}


class RecordedAnswer(NamedTuple):
    """The answer of a committed mutation, and the fingerprint of its arguments."""

    fingerprint: str
    answer: Any
    #: Whether the answer was removed with the visitor whom it concerned.
    erased: bool = False


async def find(reader: Reader, actor_id: str, client_mutation_id: str) -> RecordedAnswer | None:
    """The answer of a committed mutation, or None."""
    answers = reader.collection("idempotency")

    async def read(keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], RecordedAnswer]:
        query = {"_id": {"$in": [_key(*key) for key in keys]}}
        documents = await answers.find(query, batch_size=MAX_BATCH_ROWS).to_list(None)
        return {
            (document["_id"]["actor"], document["_id"]["mutation"]): RecordedAnswer(
                document["fingerprint"], document["answer"], document.get("erased", False)
            )
            for document in documents
        }

    found: RecordedAnswer | None
    found = await reader.database.batch_loaders.loader("answers", read).load((actor_id, client_mutation_id))
    return found


async def is_recorded(reader: Reader, actor_id: str, client_mutation_id: str) -> bool:
    """Whether that mutation is committed, including commits that no majority has acknowledged yet."""
    present = reader.collection("idempotency").with_options(read_concern=ReadConcern("local"))
    return await present.find_one({"_id": _key(actor_id, client_mutation_id)}, {"_id": 1}) is not None


def insert(
    tx: Transaction,
    actor_id: str,
    client_mutation_id: str,
    *,
    fingerprint: str,
    answer: object,
    subjects: Collection[str] = (),
) -> None:
    """Record an answer. Raises Conflict if one is recorded already, so that the next attempt finds it.

    `subjects`: the ids of the visitors and rooms whose content the answer may have.
    """
    answers = tx.collection("idempotency").delegate
    key = _key(actor_id, client_mutation_id)
    first: Document = {"_id": key, "fingerprint": fingerprint, "answer": answer, "at": tx.now}
    if subjects:
        first["subjects"] = sorted(subjects)
    tx.defer_write(insertion(answers, first, refusal=lambda _: Conflict()))


def erase_message(tx: Transaction, message: Message) -> None:
    """Remove the content of a redacted message from the answers that have it."""
    answers = tx.collection("idempotency").delegate
    assert message.redacted_at is not None
    # Of all answers, only messages have a sender, and the index has only those.
    found = {"answer.id": message.id, "answer.sender": {"$exists": True}}
    update = redaction_update("answer.", message.redacted_at)
    tx.defer_write(lambda session: answers.update_many(found, update, session=session))


async def erase_answers(reader: Reader, subject_id: str) -> None:
    """Remove the answers about a visitor or a room, in batches. A repeated mutation still changes nothing."""
    answers = reader.collection("idempotency")
    found: Document = {"subjects": subject_id, "erased": {"$exists": False}}
    while keys := [one["_id"] for one in await answers.find(found, {"_id": 1}, limit=ERASE_BATCH).to_list(ERASE_BATCH)]:
        await answers.update_many({"_id": {"$in": keys}}, {"$set": {"answer": None, "erased": True}})
