"""Facts as BSON. Those that wait to be appended have it already when their transaction is committed."""

from collections.abc import Iterable
from typing import cast

import bson
from bson.raw_bson import RawBSONDocument

from storage.facts import FACTS, AnyFact, Fact
from storage.mongo.connection import Document, to_document, to_record
from storage.sizes import size_of


class EncodedFacts:
    """The facts of one process that wait."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Fact, RawBSONDocument]] = {}

    def add(self, facts: Iterable[Fact], encoded: Iterable[RawBSONDocument]) -> None:
        self._found.update({fact.id: (fact, raw) for fact, raw in zip(facts, encoded, strict=False)})

    def remove(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            self._found.pop(fact.id, None)

    def document(self, fact: Fact) -> RawBSONDocument | Document:
        """What the log stores for the fact."""
        return self._of(fact) or to_document(fact, id_key="id")

    def weigh(self, fact: Fact) -> int:
        """About the size of the fact in memory. It is that of its BSON, if that exists."""
        raw = self._of(fact)
        return size_of(fact) if raw is None else len(raw.raw)

    def _of(self, fact: Fact) -> RawBSONDocument | None:
        original, raw = self._found.get(fact.id, (None, None))
        return raw if original is fact else None  # a redaction replaces facts


def encode(fact: Fact) -> RawBSONDocument:
    """The fact as it is stored in the outbox and in the log."""
    return RawBSONDocument(bson.encode(to_document(fact, id_key="id")))


def decode(document: Document) -> AnyFact:
    """The fact that was encoded as this document. Raises the errors of undecodable.py."""
    return cast(AnyFact, to_record(document, FACTS[document["type"]]))
