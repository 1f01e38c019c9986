"""Positions in the event log: the sequences that cursors stand for."""

from storage.errors import CursorExpired, InvalidCursor
from storage.mongo.cursors import event_cursor, event_sequence
from storage.runtime import Storage


async def starting_position(storage: Storage, after: str | None) -> int:
    """The sequence of the cursor, or of the newest fact. Raises InvalidCursor or CursorExpired."""
    if after is None:
        read_before = storage.feed.head
        # Many subscriptions begin at the same time after a restart. Shortly after a failover, the head of the log may
        # be outdated: a new primary shows what a majority has stored only when it has learned that.
        return max(read_before, await storage.log.shared_head())
    sequence = await existing_position(storage, after)
    await require_kept(storage, sequence)
    return sequence


async def existing_position(storage: Storage, cursor: str, *, key: str = "after") -> int:
    """The sequence of a cursor, even if the facts after it are trimmed. Raises InvalidCursor."""
    sequence = event_sequence(cursor, key=key)
    await require_existing(storage, sequence, key=key)
    return sequence


async def require_existing(storage: Storage, sequence: int, *, key: str) -> None:
    """Raise InvalidCursor if the log has no fact with this sequence yet."""
    # The feed's head may be outdated. So may be the head of the log, shortly after a failover.
    if (
        sequence > storage.feed.head
        and sequence > await storage.log.head()
        and not await storage.log.contains(sequence)
    ):
        raise InvalidCursor("This cursor is beyond the end of the log.", key=key)


async def require_kept(storage: Storage, sequence: int, *, consumer: str | None = None) -> None:
    """Raise CursorExpired if facts after this sequence were trimmed. `consumer` is named in the error."""
    oldest = await storage.log.oldest()
    if sequence < oldest - 1:
        raise CursorExpired(oldest_cursor=event_cursor(oldest - 1), consumer=consumer)
