"""Work on the data as a whole, in the background: forgetting old facts, freeing what removed custom fields took up."""

import logging
from datetime import timedelta

from storage import custom_fields, removals
from storage.database import ids_of, now
from storage.errors import Duplicate
from storage.log import Log
from storage.removals import Removal
from storage.transactions import Reader

logger = logging.getLogger(__name__)

#: Documents freed of removed values in one go.
PURGE_BATCH = 500
#: How long it is remembered that a removal was done, and looked whether a change that was under way then left values.
REMEMBERED = timedelta(days=1)
#: Longer than any change goes on trying.
UNDER_WAY = timedelta(minutes=1)


async def trim_log(log: Log, *, keep: timedelta) -> int:
    """Forget facts that are older than that, and how many those were."""
    return await log.trim(now() - keep)


async def purge_removed_fields(reader: Reader, *, limit: int = PURGE_BATCH) -> int:
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
            await _finish(reader, removal)
    return 0


async def _finish(reader: Reader, removal: Removal) -> None:
    await custom_fields.drop_unique_index(reader, removal.target, removal.id)
    await removals.note_done(reader, removal.id, now())
    logger.info("The values of the removed custom field %s of %ss are gone.", removal.key, removal.target.lower())


async def tend_unique_fields(reader: Reader) -> None:
    """Drop the indexes of fields that are no longer unique or never came to be, and see that all others are there."""
    present = await custom_fields.list_unique_indexes(reader)
    for target, definition_id in await removals.list_indexes(reader):
        await custom_fields.drop_unique_index(reader, target, definition_id)
        await removals.delete_index(reader, definition_id)
    definitions = await custom_fields.list_all(reader)
    known = {one.id for one in definitions} | {one.id for one in await removals.list_all(reader)}
    for target, definition_id in present:
        # An index is made before its definition is true; one without a definition, a while later, is of a refused one.
        if definition_id not in known and ids_of(now() - UNDER_WAY)[0] > definition_id:
            await custom_fields.drop_unique_index(reader, target, definition_id)
    for definition in definitions:
        if definition.unique:
            try:
                await custom_fields.create_unique_index(reader, definition)
            except Duplicate as error:
                logger.error("A unique custom field is not unique any more: %s", error.message)


async def forget_removals(reader: Reader) -> None:
    """Forget the removals that were done long ago."""
    await removals.forget(reader, done_before=now() - REMEMBERED)
