"""Removes the content of redacted messages and erased visitors from facts that were recorded before.

A fact loses the content only; its sequence and everything else stay. Before each attempt to insert the fact about a
redaction, the appender erases the content from the facts in the log. All earlier facts about the room are in the log by
then, or in the same insert without content. So a process that has read the fact about a redaction cannot read the
content from the log. Facts that a process read before are in its memory. The feed removes their content when it reads
the fact about the redaction.

The facts about a visitor and its rooms are too many for that. A process that has read the fact about the erasing, or
the list of unfinished ones when it started, removes the content from every fact that it reads, until the log has lost
it (erasures.py).
"""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from pymongo import UpdateMany

from storage.erased import erased_fact, is_erased, visitor_id_of
from storage.facts import Fact, MessageEdited, MessageFact, MessageRedacted, VisitorSaved
from storage.message_records import redaction_update
from storage.mongo.connection import Collection

F = TypeVar("F", bound=Fact)

#: Redactions that a process remembers, for facts that it reads while one is made. The same number of erased visitors,
#: which is more than may be unfinished at a time.
MAX_CACHED = 4_096


def redactions_in(facts: Sequence[Fact]) -> dict[str, datetime]:
    """The ids of the messages whose redactions these facts are about, with the times of the redactions."""
    return {fact.message.id: fact.occurred_at for fact in facts if isinstance(fact, MessageRedacted)}


def erasures_in(facts: Sequence[Fact]) -> dict[str, datetime]:
    """The ids of the visitors whose erasing these facts are about, with the times."""
    return {
        fact.visitor.id: fact.visitor.erased_at
        for fact in facts
        if isinstance(fact, VisitorSaved) and fact.visitor.erased_at is not None
    }


def without_content(fact: F, redacted_at: datetime) -> F:
    """The fact about a message without the content of the message."""
    assert isinstance(fact, MessageFact)
    changes: dict[str, object] = {"message": fact.message.without_content(redacted_at)}
    if isinstance(fact, MessageEdited):
        changes["previous_text"] = ""
    return msgspec.structs.replace(fact, **changes)


def applied_within(facts: list[Fact]) -> list[Fact]:
    """The facts, without the content of messages and visitors whose removal is among them."""
    redactions = Redactions()
    redactions.add(redactions_in(facts), erasures_in(facts))
    return list(redactions.apply_all(facts))


async def erase(log: Collection, redactions: dict[str, datetime]) -> None:
    """Remove the content of these messages from the facts in the log."""
    updates: list[UpdateMany] = []
    for message_id, redacted_at in redactions.items():
        # Each fact changes at once: `Redactions.apply` takes a fact with `redacted_at` for one without content.
        update = redaction_update("fact.message.", redacted_at)
        with_previous_text = {**update, "$set": {**update["$set"], "fact.previousText": ""}}
        of_message = {"fact.message.id": message_id, "fact.message.redactedAt": {"$exists": False}}
        edited = "MESSAGE_EDITED"
        updates.append(UpdateMany({**of_message, "fact.type": {"$ne": edited}}, update))
        updates.append(UpdateMany({**of_message, "fact.type": edited}, with_previous_text))
    await log.bulk_write(updates, ordered=False)


class Redactions:
    """A cache of the redactions, and of the erased visitors, that one process has read most recently."""

    def __init__(self) -> None:
        self._cached: OrderedDict[str, datetime] = OrderedDict()
        self._erased: OrderedDict[str, datetime] = OrderedDict()
        #: Increases when content is removed: what was read before may have it.
        self.count = 0

    def add(self, redactions: dict[str, datetime], erasures: dict[str, datetime] | None = None) -> None:
        self.count += len(redactions) + len(erasures or {})
        for cached, added in ((self._cached, redactions), (self._erased, erasures or {})):
            cached.update(added)
            while len(cached) > MAX_CACHED:
                cached.popitem(last=False)

    def apply(self, fact: F) -> F:
        """The fact, without the content of a message that was redacted, or a visitor that was erased, after it."""
        if self._erased and not is_erased(fact) and (erased_at := self._erased.get(visitor_id_of(fact) or "")):
            return erased_fact(fact, erased_at)
        if not isinstance(fact, MessageFact) or fact.message.redacted_at is not None:
            return fact
        redacted_at = self._cached.get(fact.message.id)
        return fact if redacted_at is None else without_content(fact, redacted_at)

    def apply_all(self, facts: Sequence[F]) -> Sequence[F]:
        """The facts, each as `apply` returns it."""
        return [self.apply(fact) for fact in facts] if self._cached or self._erased else facts
