"""Imports what a Rocket.Chat database has, record by record, by the operations of this server.

Each record is one mutation at the time of the record. Its transaction also stores what the record became, so that
an import that is interrupted continues where it was, and a repeated one creates nothing twice. Rooms are imported
several at a time, the messages of one room in order. A dry run checks every record, and writes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from resolvers.context import Context
from resolvers.rocketchat.conversations import Conversations
from resolvers.rocketchat.mapping import Source
from resolvers.rocketchat.people import People
from resolvers.rocketchat.report import ImportReport
from resolvers.rocketchat.run import ImportRun
from storage.rocketchat import RocketChatDatabase

#: Rooms that are imported at the same time.
AT_ONCE = 4
#: The queries of the collections that are read as a whole, in the order of the import.
QUERIES: Mapping[str, Mapping[str, Any]] = {
    "roles": {},
    "custom_fields": {},
    "departments": {},
    "users": {},
    "visitors": {},
    "rooms": {"t": "l"},
}
#: How far the import is: the kind, and how many of how many records.
Progress = Callable[[str, int, int], None]


class RocketChatImport:
    """One run of the import."""

    def __init__(self, context: Context, source: RocketChatDatabase, *, progress: Progress, dry_run: bool) -> None:
        self._run = ImportRun(context, source, dry_run=dry_run)
        self._progress = progress

    async def run(self) -> ImportReport:
        """Import everything that is not imported yet."""
        people = People(self._run)
        conversations = Conversations(self._run, people)
        await people.open()
        steps: Mapping[str, Callable[[Source], Awaitable[None]]] = {
            "roles": people.role,
            "custom_fields": people.custom_field,
            "departments": people.department,
            "users": people.user,
            "visitors": people.visitor,
            "rooms": conversations.room,
        }
        for kind, step in steps.items():
            await self._each(kind, step)
        await people.close()
        return self._run.report

    async def _each(self, kind: str, step: Callable[[Source], Awaitable[None]]) -> None:
        source = self._run.source
        total, done = await source.count(kind, dict(QUERIES[kind])), 0
        self._progress(kind, 0, total)
        async for batch in source.batches(kind, dict(QUERIES[kind])):
            await self._run.load(kind, [str(one["_id"]) for one in batch])
            size = AT_ONCE if kind == "rooms" else 1
            for start in range(0, len(batch), size):
                part = batch[start : start + size]
                await asyncio.gather(*(self._run.attempt(kind, one, step) for one in part))
                done += len(part)
                self._progress(kind, done, total)
