"""Background maintenance: deletes old facts and the values of removed custom fields, and reconciles indexes."""

import logging
from datetime import timedelta

from storage import acknowledgements, assignments
from storage.custom_fields import definition_leases, definitions, purges, unique_indexes
from storage.custom_fields.purges import Purge
from storage.errors import Duplicate, Invalid
from storage.log.log import Log
from storage.mongo.reader import Reader
from storage.records import FieldTarget
from storage.transactions.heartbeats import ProcessHeartbeat

logger = logging.getLogger(__name__)

#: Documents whose removed values one call deletes.
PURGE_BATCH = 500
#: Time for which a finished purge is repeated, for values that transactions during the removal stored.
FINISHED_PURGE_RETENTION = timedelta(days=1)


async def trim_log(reader: Reader, log: Log, *, keep: timedelta) -> int:
    """Delete facts that are older than `keep` and their acknowledgements. Return the number of facts."""
    deleted = await log.trim(log.now() - keep)
    await acknowledgements.delete_outdated(reader, before=await log.oldest())
    if deleted:
        logger.info("%d facts older than %s were removed from the log.", deleted, keep)
    return deleted


async def purge_removed_fields(reader: Reader, process: ProcessHeartbeat, *, limit: int = PURGE_BATCH) -> int:
    """Delete the values of one removed custom field from up to `limit` documents, and return the number of documents.

    0 means that no values are left. If the process ends during a call, any process can continue.
    """
    for purge in await purges.list_all(reader):
        if purge.total is None:
            total = await definitions.count_with_value(reader, purge.target, purge.id)
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
    if purge.target is FieldTarget.USER:
        await assignments.delete_values(reader, purge.id)
    await purges.record_done(reader, purge.id, reader.database.now())
    logger.info("All values of the removed custom field %s of %ss were deleted.", purge.key, purge.target.lower())


async def reconcile_definitions(reader: Reader, process: ProcessHeartbeat) -> None:
    """Release the definition leases of dead processes, and create or drop the indexes of unique custom fields."""
    await definition_leases.release_dead(reader.database)
    present = await unique_indexes.list_all(reader.database)
    unique = {definition.id: definition for definition in await definitions.list_all(reader) if definition.unique}
    for _, definition_id in present:
        if definition_id not in unique:
            await unique_indexes.drop_if_unused(process, definition_id)
    for definition in unique.values():
        try:
            await unique_indexes.create(reader.database, definition)
        except (Duplicate, Invalid) as error:
            logger.error("The index of a unique custom field cannot be created: %s", error.message)


async def delete_finished_purges(reader: Reader) -> None:
    """Delete the records of purges that finished more than FINISHED_PURGE_RETENTION ago."""
    await purges.delete_finished(reader, done_before=reader.database.now() - FINISHED_PURGE_RETENTION)
