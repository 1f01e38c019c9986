"""Work on the data as a whole, in the background: forgetting old facts, freeing what removed custom fields took up."""

import logging
from datetime import timedelta

from storage import custom_fields, removals, rules, unique_indexes
from storage.errors import Duplicate, Invalid
from storage.log import Log
from storage.processes import Process
from storage.removals import Removal
from storage.transactions import Reader

logger = logging.getLogger(__name__)

#: Documents freed of removed values in one go.
PURGE_BATCH = 500
#: How long it is remembered that a removal was done, and looked whether a change that was under way then left values.
REMEMBERED = timedelta(days=1)


async def trim_log(log: Log, *, keep: timedelta) -> int:
    """Forget facts that are older than that, and how many those were."""
    forgotten = await log.trim(log.now() - keep)
    if forgotten:
        logger.info("%d facts older than %s were removed from the log.", forgotten, keep)
    return forgotten


async def purge_removed_fields(reader: Reader, process: Process, *, limit: int = PURGE_BATCH) -> int:
    """Free up to `limit` documents of the values of one removed custom field, and how many those were; 0 when done.

    May be ended at any moment, and gone on with by anybody.
    """
    for removal in await removals.list_all(reader):
        if removal.total is None:
            total = await custom_fields.count_held(reader, removal.target, removal.id)
            await removals.note_total(reader, removal.id, total)
        purged = await custom_fields.purge(reader, removal.target, removal.id, limit=limit)
        if purged:
            await removals.note_purged(reader, removal.id, purged)
            return purged
        if removal.done_at is None:
            await _finish(reader, process, removal)
    return 0


async def _finish(reader: Reader, process: Process, removal: Removal) -> None:
    await unique_indexes.tidy(process, removal.id)
    await removals.note_done(reader, removal.id, reader.database.now())
    logger.info("The values of the removed custom field %s of %ss are gone.", removal.key, removal.target.lower())


async def tend_rules(reader: Reader, process: Process) -> None:
    """Take back what dead processes had announced; see that every unique field has its index, and no other has one."""
    await rules.release_dead(reader.database)
    present = await unique_indexes.list_all(reader.database)
    unique = {one.id: one for one in await custom_fields.list_all(reader) if one.unique}
    for _, definition_id in present:
        if definition_id not in unique:
            await unique_indexes.tidy(process, definition_id)
    for definition in unique.values():
        try:
            await unique_indexes.create(reader.database, definition)
        except (Duplicate, Invalid) as error:
            logger.error("A unique custom field is not unique any more: %s", error.message)


async def forget_removals(reader: Reader) -> None:
    """Forget the removals that were done long ago."""
    await removals.forget(reader, done_before=reader.database.now() - REMEMBERED)
