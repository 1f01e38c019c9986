"""The erasing of a visitor: the type."""

from datetime import datetime
from typing import Self

from schema.base.fields import api_type
from schema.base.scalars import Long
from storage import erasures


@api_type
class VisitorErasure:
    """How far the erasing of a visitor is. The visitor itself is erased from the beginning."""

    requested_at: datetime
    """When `eraseVisitor` was first called."""
    done_at: datetime | None
    """When nothing was left to erase. Null while the erasing continues in the background."""
    room_count: int
    """The number of rooms whose content was erased."""
    message_count: Long
    """The number of messages whose content was erased."""
    event_count: Long
    """The number of recorded events whose content was erased."""

    @classmethod
    def from_record(cls, record: erasures.Erasure) -> Self:
        return cls(
            requested_at=record.requested_at,
            done_at=record.done_at,
            room_count=record.rooms,
            message_count=Long(record.messages),
            event_count=Long(record.facts),
        )
