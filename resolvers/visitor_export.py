"""Everything that is stored about one visitor, record by record, page by page.

The export walks through the visitor and then its rooms in the order of their start, and through the parts of each. A
cursor is the place in this walk: the room, the part, and the position in it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from resolvers import validation
from resolvers.context import Context
from resolvers.operations import query
from storage import app_data, assignments, messages, rooms, timers, tokens, visitors
from storage.app_data import DataOwner
from storage.errors import InvalidCursor
from storage.facts import AnyFact, RoomFact
from storage.log.log import Log
from storage.mongo import cursors
from storage.sizes import size_of

#: The records, and about the bytes, of one page.
MAX_RECORDS = 200
PAGE_BYTES = 2 * 1024 * 1024
#: Names the cursors of this walk.
ORDER = "visitorExport"
#: What an event has beside what is exported here: agents, whose data are their own, and the room as a whole.
_FACT_FIELDS = ("message", "previous_text", "comment", "reason", "name", "data_json", "changes", "cause")


class VisitorExportKind(StrEnum):
    VISITOR = "VISITOR"
    SESSION = "SESSION"
    APP_DATA = "APP_DATA"
    EVENT = "EVENT"
    ROOM = "ROOM"
    MESSAGE = "MESSAGE"
    ASSIGNMENT = "ASSIGNMENT"
    TIMER = "TIMER"


@dataclass(frozen=True, slots=True)
class ExportRecord:
    """One record of the export. `data` is JSON-able."""

    kind: VisitorExportKind
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ExportPage:
    records: Sequence[ExportRecord]
    #: The cursor after the last record. None if there is no record.
    end_cursor: str | None
    has_next: bool


#: A record and its position among those of its part.
Found: TypeAlias = tuple[int, Any]
#: Reads the records of a part after a position, up to a number of them.
Part: TypeAlias = Callable[[Context, str, int, int], Awaitable[Sequence[Found]]]


def _numbered(records: Sequence[Any], after: int, limit: int) -> list[Found]:
    """The records after this position, which counts them from 1."""
    return list(enumerate(records, start=1))[after : after + limit]


async def _visitor(context: Context, visitor_id: str, after: int, limit: int) -> Sequence[Found]:
    return _numbered([_plain(await visitors.get(context.reader, visitor_id))], after, limit)


async def _sessions(context: Context, visitor_id: str, after: int, limit: int) -> Sequence[Found]:
    found = await tokens.list_by_holder(context.reader, visitor_id)
    times = [{"createdAt": token.created_at, "expiresAt": token.expires_at} for token in found]
    return _numbered([_plain(one) for one in times], after, limit)


def _app_data(owner: DataOwner) -> Part:
    async def read(context: Context, owner_id: str, after: int, limit: int) -> Sequence[Found]:
        found = await app_data.list_of_owner(context.reader, owner, owner_id, skip=after, limit=limit)
        values = [
            {"owner": owner.value, "appId": key.app_id, "key": key.key, "value": msgspec.json.decode(datum.value_json)}
            for key, datum in found
        ]
        return list(enumerate(values, start=after + 1))

    return read


async def _events_of_visitor(context: Context, visitor_id: str, after: int, limit: int) -> Sequence[Found]:
    return await _events(context, Log.query_of_subject(visitor_id), after, limit)


async def _events_of_room(context: Context, room_id: str, after: int, limit: int) -> Sequence[Found]:
    return await _events(context, Log.query(None, [room_id]), after, limit)


async def _events(context: Context, query: dict[str, Any], after: int, limit: int) -> Sequence[Found]:
    facts, _ = await context.storage.log.read_within(after, limit, size=PAGE_BYTES, query=query)
    return [(fact.sequence, _fact(fact)) for fact in facts]


def _fact(fact: AnyFact) -> dict[str, Any]:
    """The fact without the agents, departments and so on in its snapshot."""
    data: dict[str, Any] = {
        "sequence": fact.sequence,
        "type": fact.__struct_config__.tag,
        "occurredAt": fact.occurred_at,
        "actor": fact.actor,
        "clientMutationId": fact.client_mutation_id,
    }
    if isinstance(fact, RoomFact):
        data |= {"room": fact.room.room, "visitor": fact.room.visitor}
    else:
        data["visitor"] = getattr(fact, "visitor", None)
    names = dict(zip(fact.__struct_fields__, fact.__struct_encode_fields__, strict=True))
    data |= {names[name]: getattr(fact, name) for name in _FACT_FIELDS if name in names}
    return _plain(data)


async def _room(context: Context, room_id: str, after: int, limit: int) -> Sequence[Found]:
    return _numbered([_plain(await rooms.get(context.reader, room_id))], after, limit)


async def _messages(context: Context, room_id: str, after: int, limit: int) -> Sequence[Found]:
    found = await messages.list_by_room(context.reader, room_id, after=after, limit=limit)
    return [(message.number, _plain(message)) for message in found]


async def _assignments(context: Context, room_id: str, after: int, limit: int) -> Sequence[Found]:
    found = await assignments.list_by_room(context.reader, room_id, after=after, limit=limit)
    return [
        (
            one.number,
            _plain({"agentId": one.agent.id, "since": one.since, "until": one.until, "comment": one.comment}),
        )
        for one in found
    ]


async def _timers(context: Context, room_id: str, after: int, limit: int) -> Sequence[Found]:
    room = await rooms.get(context.reader, room_id)
    found = await timers.list_by_room(context.reader, room, with_data=True)
    return _numbered([_plain(timer) for timer in found], after, limit)


#: The parts of a visitor, and then those of each of its rooms, in the order of the export.
_OF_VISITOR: Sequence[tuple[VisitorExportKind, Part]] = (
    (VisitorExportKind.VISITOR, _visitor),
    (VisitorExportKind.SESSION, _sessions),
    (VisitorExportKind.APP_DATA, _app_data(DataOwner.VISITOR)),
    (VisitorExportKind.EVENT, _events_of_visitor),
)
_OF_ROOM: Sequence[tuple[VisitorExportKind, Part]] = (
    (VisitorExportKind.ROOM, _room),
    (VisitorExportKind.MESSAGE, _messages),
    (VisitorExportKind.ASSIGNMENT, _assignments),
    (VisitorExportKind.TIMER, _timers),
    (VisitorExportKind.APP_DATA, _app_data(DataOwner.ROOM)),
    (VisitorExportKind.EVENT, _events_of_room),
)


@query("visitors:export")
async def export_visitor(
    context: Context, *, visitor_id: str, first: int | None = None, after: str | None = None
) -> ExportPage:
    """A page of everything that is stored about the visitor. Raises NotFound."""
    limit = MAX_RECORDS if first is None else validation.number(first, "first", minimum=1, maximum=MAX_RECORDS)
    await visitors.get(context.reader, visitor_id)
    room_id, part, position = _place(after)
    records: list[ExportRecord] = []
    size = 0
    while True:
        parts, owner_id = (_OF_ROOM, room_id) if room_id else (_OF_VISITOR, visitor_id)
        while part < len(parts):
            kind, read = parts[part]
            while found := await read(context, owner_id, position, limit + 1 - len(records)):
                for place, data in found:
                    if len(records) == limit or size > PAGE_BYTES:
                        cursor = cursors.page_cursor(ORDER, [room_id, part, position])
                        return ExportPage(records, cursor, has_next=True)
                    records.append(ExportRecord(kind, data))
                    size += size_of(data)
                    position = place
            part, position = part + 1, 0
        next_ids = await rooms.list_ids_of_visitor(context.reader, visitor_id, after=room_id, limit=1)
        if not next_ids:
            end = cursors.page_cursor(ORDER, [room_id, part, 0]) if records else None
            return ExportPage(records, end, has_next=False)
        room_id, part = next_ids[0], 0


def _place(after: str | None) -> tuple[str, int, int]:
    """The room ("" before the first one), the part and the position of a cursor. Raises InvalidCursor."""
    if after is None:
        return "", 0, 0
    match cursors.page_values(after, ORDER, 3):
        case [str(room_id), int(part), int(position)] if 0 <= part <= len(_OF_ROOM) and 0 <= position < 2**53:
            return room_id, part, position
    raise InvalidCursor(key="after")


def _plain(value: object) -> dict[str, Any]:
    """The JSON-able form of a record."""
    plain: dict[str, Any] = msgspec.to_builtins(value)
    return plain
