"""The state of one run of the import, and how a record becomes an entity once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from resolvers.context import Context
from resolvers.rocketchat.mapping import Source
from resolvers.rocketchat.report import ImportReport
from storage import imports
from storage.errors import SwitchboardError, Unavailable
from storage.rocketchat import RocketChatDatabase
from storage.transactions.transaction import Transaction


@dataclass(frozen=True, slots=True)
class ImportHook:
    """A mutation takes place at the time of the record, and stores what the record became."""

    source_id: str
    time: datetime

    def begin(self, tx: Transaction) -> None:
        tx.now = min(self.time, tx.now)

    def end(self, tx: Transaction) -> None:
        imports.record(tx, self.source_id)


class ImportRun:
    """One run: where from, where to, and what was read so far."""

    def __init__(self, context: Context, source: RocketChatDatabase, *, dry_run: bool) -> None:
        self.context = context
        self.source = source
        self.dry_run = dry_run
        self.now = context.storage.database.now()
        self.report = ImportReport()
        #: The ids of entities by kind and source id, and the names of the actors.
        self.ids: dict[tuple[str, str], str] = {}
        self.names: dict[str, str | None] = {}
        #: The records that this run has read and mapped, by kind and source id.
        self.mapped: set[tuple[str, str]] = set()
        #: The source ids of the users who are agents here.
        self.agents: set[str] = set()

    async def load(self, kind: str, source_ids: Sequence[str]) -> None:
        """Load what these records became in earlier runs."""
        found = await imports.get_many(self.context.reader, [f"{kind}:{one}" for one in source_ids])
        self.ids |= {(kind, key.removeprefix(f"{kind}:")): entity_id for key, entity_id in found.items()}

    async def attempt(self, kind: str, record: Source, step: Callable[[Source], Awaitable[None]]) -> None:
        """Import the record, or report why it is refused. Raises Unavailable."""
        try:
            await step(record)
        except Unavailable:
            raise
        except SwitchboardError as error:
            self.report.add_problem(kind, str(record["_id"]), error.message)

    async def create(
        self, kind: str, record: Source, time: datetime | None, make: Callable[[Context], Awaitable[str]]
    ) -> str | None:
        """What the record became, or becomes now. None in a dry run."""
        source_id = str(record["_id"])
        self.mapped.add((kind, source_id))
        if (present := self.ids.get((kind, source_id))) is not None:
            self.report.present[kind] += 1
            return present
        if not self.dry_run:
            hook = ImportHook(f"{kind}:{source_id}", time or self.now)
            self.ids[kind, source_id] = await make(replace(self.context, hook=hook))
        self.report.imported[kind] += 1
        return self.ids.get((kind, source_id))
