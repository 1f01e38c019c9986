"""Removes the content of redacted messages from facts that were recorded before: in the log, and in memory.

A fact loses the content only; its sequence and everything else stay. Before each attempt to insert the fact about a
redaction, the appender erases the content from the facts in the log. All earlier facts about the room are in the log by
then, or in the same insert without content. So a process that has read the fact about a redaction cannot read the
content from the log. Facts that a process read before are in its memory. The feed removes their content when it reads
the fact about the redaction.
"""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import msgspec
from pymongo import UpdateMany

from storage.facts import AnyFact, Fact, MessageEdited, MessageFact, MessageRedacted
from storage.message_records import redaction_update
from storage.mongo.connection import Collection

F = TypeVar("F", bound=Fact)

#: Redactions that a process remembers, for facts that it reads while one is made.
MAX_CACHED = 4_096


def redactions_in(facts: Sequence[Fact]) -> dict[str, datetime]:
    """The ids of the messages whose redactions these facts are about, with the times of the redactions."""
    return {fact.message.id: fact.occurred_at for fact in facts if isinstance(fact, MessageRedacted)}


def without_content(fact: F, redacted_at: datetime) -> F:
    """The fact about a message without the content of the message."""
    assert isinstance(fact, MessageFact)
    changes: dict[str, object] = {"message": fact.message.without_content(redacted_at)}
    if isinstance(fact, MessageEdited):
        changes["previous_text"] = ""
    return msgspec.structs.replace(fact, **changes)


def applied_within(facts: list[Fact]) -> list[Fact]:
    """The facts, without the content of messages whose redactions are among them."""
    redacted = redactions_in(facts)
    if not redacted:
        return facts
    return [
        without_content(fact, redacted[fact.message.id])
        if isinstance(fact, MessageFact) and fact.message.id in redacted
        else fact
        for fact in facts
    ]


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
    """A cache of the redactions that one process has read most recently."""

    def __init__(self) -> None:
        self._cached: OrderedDict[str, datetime] = OrderedDict()

    def add(self, redactions: dict[str, datetime]) -> None:
        self._cached.update(redactions)
        while len(self._cached) > MAX_CACHED:
            self._cached.popitem(last=False)

    def apply(self, fact: F) -> F:
        """The fact, without the content of a message that was redacted after it."""
        if not isinstance(fact, MessageFact) or fact.message.redacted_at is not None:
            return fact
        redacted_at = self._cached.get(fact.message.id)
        return fact if redacted_at is None else without_content(fact, redacted_at)

    def apply_all(self, facts: Sequence[AnyFact]) -> Sequence[AnyFact]:
        """The facts, each as `apply` returns it."""
        return [self.apply(fact) for fact in facts] if self._cached else facts
