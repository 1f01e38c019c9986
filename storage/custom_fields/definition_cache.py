"""The definitions of custom fields as one process knows them, so that no read and no write has to ask for them."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping

from storage.custom_fields import epochs
from storage.facts import CustomFieldRemoved, FieldFact
from storage.mongo.connection import Database, to_record
from storage.records import FieldDefinition, FieldTarget


class DefinitionCache:
    """The definitions as this process knows them: read once, then kept current by the facts about them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._definitions = database["custom_fields"]
        self._by_id: dict[str, FieldDefinition] = {}
        self._by_key: dict[FieldTarget, dict[str, FieldDefinition]] = {target: {} for target in FieldTarget}
        self._gone: set[str] = set()
        #: The definitions that this process cannot decode. It neither shows nor changes their values.
        self.undecodable: frozenset[str] = frozenset()
        self._reading = asyncio.Lock()
        #: What was heard while the definitions were being read, which may be newer than what that read saw.
        self._heard: list[FieldFact] = []
        self._coming: Mapping[str, FieldDefinition] = {}
        #: Grows whenever what is known changes. Values that were checked at one number are not written at another.
        self.revision = 0
        #: What is known is at least as new as the rules of this epoch (epochs.py).
        self.epoch = 0
        #: How many attempts at a change go by what was known at each epoch.
        self._relied_on: Counter[int] = Counter()

    def definitions(self, target: FieldTarget) -> Mapping[str, FieldDefinition]:
        """The definitions of a target by key."""
        return self._by_key[target]

    @property
    def by_id(self) -> Mapping[str, FieldDefinition]:
        """The definitions of all targets by id."""
        return self._by_id

    def pending(self, target: FieldTarget) -> Mapping[str, FieldDefinition]:
        """What is to become of definitions of a target, by key: values that are written have to fit it as well."""
        return {
            known.key: rule
            for one, rule in self._coming.items()
            if (known := self._by_id.get(one)) is not None and known.target is target
        }

    def acquire_epoch(self) -> int:
        """The epoch that an attempt goes by from now on, until it is let go."""
        self._relied_on[self.epoch] += 1
        return self.epoch

    def release_epoch(self, epoch: int) -> None:
        self._relied_on[epoch] -= 1
        if not self._relied_on[epoch]:
            del self._relied_on[epoch]

    @property
    def lowest_epoch_in_use(self) -> int:
        """No attempt of this process goes by an older epoch, and none ever will."""
        return min(self._relied_on, default=self.epoch)

    async def catch_up(self) -> None:
        """Read the definitions anew if there is a newer epoch."""
        if await epochs.read_epoch(self._database) != self.epoch:
            await self.refresh()

    async def refresh(self) -> None:
        """Read all definitions anew, and what is to become of them."""
        async with self._reading:
            self._heard.clear()
            # Before the definitions, which may be newer than the epoch but never older.
            current_rules = await epochs.read(self._database)
            documents = await self._definitions.find({}).to_list(None)
            ids = frozenset(str(document["_id"]) for document in documents)
            current: list[FieldDefinition] = self._database.undecodable.decode(
                "custom_fields", documents, lambda document: to_record(document, FieldDefinition)
            )
            # What is to become of a definition is as much of it as what it is.
            known = {one.id: one for one in current if one.id not in {*self._gone, *current_rules.undecodable}}
            undecodable = ids - known.keys() - self._gone
            if undecodable != self.undecodable:
                self.undecodable = undecodable
                self.revision += 1
            self._index(known)
            for fact in self._heard:
                self._replace(fact)
            if self._coming != current_rules.pending:
                self._coming = current_rules.pending
                self.revision += 1
            self.epoch = current_rules.epoch

    async def ensure_loaded(self, definition_ids: Iterable[str]) -> None:
        """Make sure that those definitions are known, or known to be gone.

        A document may hold the value of a field that another process defined a moment ago. Reading it as if the field
        did not exist, and writing it back, would lose the value.
        """
        known = (self._by_id, self._gone, self.undecodable)
        unknown = {one for one in definition_ids if not any(one in ids for ids in known)}
        if unknown:
            await self.refresh()
            self._gone.update(unknown - self._by_id.keys() - self.undecodable)

    def apply(self, fact: FieldFact) -> None:
        """Take in what a fact says, unless something newer is known."""
        if self._reading.locked():
            self._heard.append(fact)
        self._replace(fact)

    def _replace(self, fact: FieldFact) -> None:
        definition = fact.definition
        if isinstance(fact, CustomFieldRemoved):
            self._gone.add(definition.id)
            self._index({one: known for one, known in self._by_id.items() if one != definition.id})
            return
        held = self._by_id.get(definition.id)
        if definition.id not in self._gone and (held is None or held.version < definition.version):
            self._index({**self._by_id, definition.id: definition})

    def _index(self, by_id: dict[str, FieldDefinition]) -> None:
        if by_id == self._by_id:
            return
        self._by_id = by_id
        self._by_key = {target: {} for target in FieldTarget}
        # A removal may be heard after the definition that took over its key: the later one of the two has it.
        for definition in sorted(by_id.values(), key=lambda one: one.id):
            self._by_key[definition.target][definition.key] = definition
        self.revision += 1
