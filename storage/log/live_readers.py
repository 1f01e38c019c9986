"""Live readers: they are at the end of the log, and each new fact is given to them by a call.

A waiter (subscription_index.py) is woken once, and then reads by itself. That is one task per reader and fact. A live
reader stays registered and needs no task: one callback of the event loop gives a fact to all live readers that share a
key with it, before they are given the next one.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Protocol

from storage.facts import AnyFact
from storage.log.subscription_index import Key, fact_keys
from storage.threads import Work, context_of

logger = logging.getLogger(__name__)


class LiveReader(Protocol):
    """What facts are given to. The keys stay the same."""

    @property
    def keys(self) -> frozenset[Key]: ...

    def receive(self, fact: AnyFact) -> Iterator[None]:
        """Take a fact that has one of the keys. Yields where other callbacks of the event loop may run."""

    def lose(self, position: int) -> None:
        """The reader is no longer registered, and was given no fact after this position."""


class LiveReaders:
    """The live readers of one process by key."""

    def __init__(self, find: Callable[[int], AnyFact | None]) -> None:
        #: The fact with a sequence, if it is in the buffer.
        self._find = find
        self._readers: dict[Key, dict[LiveReader, None]] = {}
        #: The sequence of the newest fact that the readers were given, or are being given.
        self.position = 0
        #: The sequence of the newest fact that all readers were given.
        self._given = 0
        self._head = 0
        self._giving: Iterator[None] | None = None

    def __len__(self) -> int:
        return len({reader for readers in self._readers.values() for reader in readers})

    def add(self, reader: LiveReader) -> None:
        """Register a reader. It is given all facts after `position`."""
        for key in reader.keys:
            self._readers.setdefault(key, {})[reader] = None

    def remove(self, reader: LiveReader) -> None:
        for key in reader.keys:
            readers = self._readers.get(key)
            if readers is not None and reader in readers:
                del readers[reader]
                if not readers:
                    del self._readers[key]

    def advance(self, head: int) -> None:
        """Give the readers the facts up to this one, beginning in the next pass of the event loop."""
        self._head = head
        if self._giving is None:
            if not self._readers:
                self.position = self._given = head
                return
            self._giving = self._give()
            self._continue_soon()

    def lose_all(self) -> None:
        """Remove all readers: each goes on reading by itself."""
        for reader in {reader: None for readers in self._readers.values() for reader in readers}:
            self._lose(reader, self._given)

    def _continue_soon(self) -> None:
        # The context of the operation that appended a fact does not apply: it may have a time limit.
        asyncio.get_running_loop().call_soon(self._continue, context=context_of(Work.READS))

    def _continue(self) -> None:
        assert self._giving is not None
        for _ in self._giving:
            self._continue_soon()
            return
        self._giving = None

    def _give(self) -> Iterator[None]:
        while self.position < self._head:
            if not self._readers:
                self.position = self._given = self._head
                return
            fact = self._find(self.position + 1)
            if fact is None:
                logger.info("Live readers are behind the buffer of facts; they read the log.")
                self.lose_all()
                continue
            self.position = fact.sequence
            # A reader that is added from now on has the fact already.
            for reader in self._readers_of(fact):
                try:
                    yield from reader.receive(fact)
                except Exception:
                    logger.exception("A live reader failed; its subscriptions read the log.")
                    self._lose(reader, fact.sequence - 1)
            self._given = fact.sequence
            yield

    def _readers_of(self, fact: AnyFact) -> list[LiveReader]:
        found: dict[LiveReader, None] = {}
        for key in fact_keys(fact):
            found.update(self._readers.get(key, {}))
        return list(found)

    def _lose(self, reader: LiveReader, position: int) -> None:
        self.remove(reader)
        reader.lose(position)
