"""The definition cache: all definitions of custom fields, in the memory of one process."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping

from storage.custom_fields import epochs
from storage.facts import CustomFieldRemoved, FieldFact
from storage.mongo.connection import Database, to_record
from storage.records import FieldDefinition, FieldTarget

#: The time limit for all processes to use a tighter rule. It is longer than the detection of a dead process takes.
EPOCH_TIMEOUT_SECONDS = 8.0


class DefinitionCache:
    """The definitions that one process has cached. `refresh` reads them, and facts about definitions update them."""

    def __init__(self, database: Database, *, epoch_timeout_seconds: float = EPOCH_TIMEOUT_SECONDS) -> None:
        self.epoch_timeout_seconds = epoch_timeout_seconds
        self._database = database
        self._by_id: dict[str, FieldDefinition] = {}
        self._by_key: dict[FieldTarget, dict[str, FieldDefinition]] = {target: {} for target in FieldTarget}
        self._pending: Mapping[str, FieldDefinition] = {}
        self._removed: set[str] = set()
        #: Ids of definitions that this process cannot decode. It neither shows nor changes their values.
        self.undecodable: frozenset[str] = frozenset()
        self._refreshing = asyncio.Lock()
        #: Facts that were applied during a refresh, which may be newer than what the refresh reads.
        self._applied_meanwhile: list[FieldFact] = []
        #: Grows with every change of the cache. Values that were checked at one revision are not written at another.
        self.revision = 0
        #: The cached definitions are at least as new as this epoch (epochs.py).
        self.epoch = 0
        #: By epoch: the number of running attempts that use definitions of this epoch.
        self._used_epochs: Counter[int] = Counter()

    def definitions(self, target: FieldTarget) -> Mapping[str, FieldDefinition]:
        """The definitions of a target by key."""
        return self._by_key[target]

    @property
    def by_id(self) -> Mapping[str, FieldDefinition]:
        """The definitions of all targets by id."""
        return self._by_id

    def pending(self, target: FieldTarget) -> Mapping[str, FieldDefinition]:
        """The pending definitions of a target by key. Values must fit them as well."""
        return {
            definition.key: pending
            for definition_id, pending in self._pending.items()
            if (definition := self._by_id.get(definition_id)) is not None and definition.target is target
        }

    def acquire_epoch(self) -> int:
        """Return the current epoch, and count it as in use until `release_epoch`."""
        self._used_epochs[self.epoch] += 1
        return self.epoch

    def release_epoch(self, epoch: int) -> None:
        self._used_epochs[epoch] -= 1
        if not self._used_epochs[epoch]:
            del self._used_epochs[epoch]

    @property
    def lowest_epoch_in_use(self) -> int:
        """The lowest epoch that a running transaction of this process still uses, or a later one will use."""
        return min(self._used_epochs, default=self.epoch)

    async def catch_up(self) -> None:
        """Refresh the cache if there is a newer epoch."""
        if await epochs.read_epoch(self._database) != self.epoch:
            await self.refresh()

    async def refresh(self) -> None:
        """Read all definitions and pending definitions."""
        async with self._refreshing:
            self._applied_meanwhile.clear()
            # Before the definitions: they may be newer than the epoch, and must not be older.
            state = await epochs.read(self._database)
            documents = await self._database["custom_fields"].find({}).to_list(None)
            ids = frozenset(str(document["_id"]) for document in documents)
            decoded: list[FieldDefinition] = self._database.undecodable.decode(
                "custom_fields", documents, lambda document: to_record(document, FieldDefinition)
            )
            # A definition whose pending definition cannot be decoded counts as undecodable.
            unusable = self._removed | state.undecodable
            by_id = {definition.id: definition for definition in decoded if definition.id not in unusable}
            undecodable = ids - by_id.keys() - self._removed
            if undecodable != self.undecodable:
                self.undecodable = undecodable
                self.revision += 1
            self._index(by_id)
            for fact in self._applied_meanwhile:
                self._replace(fact)
            if self._pending != state.pending:
                self._pending = state.pending
                self.revision += 1
            self.epoch = state.epoch

    async def ensure_loaded(self, definition_ids: Iterable[str]) -> None:
        """Refresh the cache unless it has those definitions, or has them as removed.

        A document may have a value of a definition that another process has just created. A process that does not have
        the definition would drop the value when it replaces the document.
        """
        cached = (self._by_id, self._removed, self.undecodable)
        missing = {one for one in definition_ids if not any(one in ids for ids in cached)}
        if missing:
            await self.refresh()
            self._removed.update(missing - self._by_id.keys() - self.undecodable)

    def apply(self, fact: FieldFact) -> None:
        """Update the cache by a fact, unless the cache is newer."""
        if self._refreshing.locked():
            self._applied_meanwhile.append(fact)
        self._replace(fact)

    def _replace(self, fact: FieldFact) -> None:
        definition = fact.definition
        if isinstance(fact, CustomFieldRemoved):
            self._removed.add(definition.id)
            self._index({key: cached for key, cached in self._by_id.items() if key != definition.id})
            return
        cached = self._by_id.get(definition.id)
        if definition.id not in self._removed and (cached is None or cached.version < definition.version):
            self._index({**self._by_id, definition.id: definition})

    def _index(self, by_id: dict[str, FieldDefinition]) -> None:
        if by_id == self._by_id:
            return
        self._by_id = by_id
        self._by_key = {target: {} for target in FieldTarget}
        # The fact of a removal may arrive after a new definition took the key: the newer definition wins.
        for definition in sorted(by_id.values(), key=lambda definition: definition.id):
            self._by_key[definition.target][definition.key] = definition
        self.revision += 1
