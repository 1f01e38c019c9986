"""The visitors and rooms whose content the answer of a mutation has, by which erasing a visitor finds the answer."""

from collections.abc import Iterator

import msgspec

from storage.message_records import Message
from storage.records import Room, Visitor
from storage.timers import Timer


def subjects_of(answer: object) -> set[str]:
    """The ids of the visitors and rooms that are in the answer, or to which something in it belongs."""
    return set(_subjects(answer))


def _subjects(value: object) -> Iterator[str]:
    match value:
        case Visitor(id=visitor_id, erased_at=None):
            yield visitor_id
        case Visitor():  # has no content any more
            return
        case Room(id=room_id, visitor_id=visitor_id):
            yield from (room_id, visitor_id)
        case Message(room_id=room_id) | Timer(room_id=room_id):
            yield room_id
        case msgspec.Struct():
            for name in value.__struct_fields__:
                yield from _subjects(getattr(value, name))
        case list() | tuple():
            for item in value:
                yield from _subjects(item)
