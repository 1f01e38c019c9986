"""Work on the data as a whole, in the background: forgetting old facts, freeing what removed custom fields took up."""

from datetime import timedelta

from storage import custom_fields
from storage.database import now
from storage.log import Log
from storage.transactions import Reader

#: Documents freed of removed values in one go.
PURGE_BATCH = 500


async def trim_log(log: Log, *, keep: timedelta) -> int:
    """Forget facts that are older than that, and how many those were."""
    return await log.trim(now() - keep)


async def purge_removed_fields(reader: Reader, *, limit: int = PURGE_BATCH) -> int:
    """Free up to `limit` documents of the values of one removed custom field, and how many those were; 0 when done."""
    for target, definition_id in await custom_fields.list_removed(reader):
        purged = await custom_fields.purge(reader, target, definition_id, limit=limit)
        if purged:
            return purged
        await custom_fields.forget_removed(reader, target, definition_id)
    return 0
