"""Work on the data as a whole, in the background: forgetting old facts, freeing what removed custom fields took up."""

import logging
from datetime import timedelta

from storage.custom_fields import definitions, epochs, purges, unique_indexes
from storage.custom_fields.purges import Purge
from storage.errors import Duplicate, Invalid
from storage.log.log import Log
from storage.mongo.reader import Reader
from storage.transactions.heartbeats import ProcessHeartbeat

logger = logging.getLogger(__name__)

#: Documents freed of removed values in one go.
PURGE_BATCH = 500
#: How long it is remembered that a removal was done, and looked whether a change that was under way then left values.
FINISHED_PURGE_RETENTION = timedelta(days=1)


async def trim_log(log: Log, *, keep: timedelta) -> int:
    """Forget facts that are older than that, and how many those were."""
    forgotten = await log.trim(log.now() - keep)
    if forgotten:
        logger.info("%d facts older than %s were removed from the log.", forgotten, keep)
    return forgotten


async def purge_removed_fields(reader: Reader, process: ProcessHeartbeat, *, limit: int = PURGE_BATCH) -> int:
    """Free up to `limit` documents of the values of one removed custom field, and how many those were; 0 when done.

    May be ended at any moment, and gone on with by anybody.
    """
    for purge in await purges.list_all(reader):
        if purge.total is None:
            total = await definitions.count_held(reader, purge.target, purge.id)
            await purges.record_total(reader, purge.id, total)
        purged = await definitions.purge_values(reader, purge.target, purge.id, limit=limit)
        if purged:
            await purges.record_purged(reader, purge.id, purged)
            return purged
        if purge.done_at is None:
            await _finish_purge(reader, process, purge)
    return 0


async def _finish_purge(reader: Reader, process: ProcessHeartbeat, purge: Purge) -> None:
    await unique_indexes.drop_if_unused(process, purge.id)
    await purges.record_done(reader, purge.id, reader.database.now())
    logger.info("The values of the removed custom field %s of %ss are gone.", purge.key, purge.target.lower())


async def reconcile_definitions(reader: Reader, process: ProcessHeartbeat) -> None:
    """Take back what dead processes had announced; see that every unique field has its index, and no other has one."""
    await epochs.release_dead_leases(reader.database)
    present = await unique_indexes.list_all(reader.database)
    unique = {one.id: one for one in await definitions.list_all(reader) if one.unique}
    for _, definition_id in present:
        if definition_id not in unique:
            await unique_indexes.drop_if_unused(process, definition_id)
    for definition in unique.values():
        try:
            await unique_indexes.create(reader.database, definition)
        except (Duplicate, Invalid) as error:
            logger.error("A unique custom field is not unique any more: %s", error.message)


async def delete_finished_purges(reader: Reader) -> None:
    """Forget the removals that were done long ago."""
    await purges.delete_finished(reader, done_before=reader.database.now() - FINISHED_PURGE_RETENTION)
