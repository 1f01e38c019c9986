"""Reservations of the next numbers of the log, for a transaction that inserts its facts into the log itself.

Such a transaction needs no outbox: the changes and their events are committed together. Until its outcome is known,
nothing else can have these numbers, so a process uses it only if nothing else waits to be appended and no other process
is alive (docs/decisions/0044-facts-appended-by-their-transaction.md).
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from bson.raw_bson import RawBSONDocument

from storage.facts import Fact
from storage.mongo.connection import Document
from storage.mongo.sessions import AbandonedTransaction


class Reservation:
    """The numbers that follow the end of the log, one for each fact. Call `appended`, `release` or `give_up`."""

    def __init__(
        self,
        facts: Sequence[Fact],
        encoded: Sequence[RawBSONDocument],
        *,
        first: int,
        now: datetime,
        process_id: str,
        on_end: Callable[["Reservation"], None],
    ) -> None:
        self.facts = facts
        self.first = first
        #: What the transaction inserts into the log, in this order.
        self.documents: list[Document] = [
            {"_id": number, "fact": raw, "appendedAt": now, "last": None} for number, raw in enumerate(encoded, first)
        ]
        self.documents[-1]["last"] = process_id  # the change stream reports the last fact only
        self.sizes = [len(raw.raw) for raw in encoded]
        self.is_appended = False
        #: Whether the numbers are not certain to be free after a transaction that has failed.
        self.may_be_used = False
        #: The transaction, if it may still be open, and so may have the numbers.
        self.abandoned: AbandonedTransaction | None = None
        self.began = time.monotonic()
        self._on_end = on_end
        self._ended = asyncio.Event()

    def appended(self) -> None:
        """The transaction is committed, and a majority has acknowledged it."""
        self.is_appended = True
        self._end()

    def release(self) -> None:
        """Nothing was sent."""
        self._end()

    def give_up(self, abandoned: AbandonedTransaction | None) -> None:
        """The transaction has failed. It is `abandoned`, unless it is known to be aborted."""
        self.may_be_used, self.abandoned = True, abandoned
        self._end()

    async def wait(self) -> None:
        """Wait until the numbers are used or free."""
        await self._ended.wait()

    def _end(self) -> None:
        if not self._ended.is_set():
            self._ended.set()
            self._on_end(self)
