"""Reads the facts about many rooms at once from the log."""

from collections.abc import Sequence

from storage.facts import AnyFact
from storage.log.log import Log, decode
from storage.log.redactions import Redactions
from storage.mongo import child_pagination
from storage.mongo.child_pagination import Relation
from storage.mongo.reader import Reader

FACTS_BY_ROOM = Relation("rooms", "log", "fact.room.room.id")


async def read(
    reader: Reader,
    room_ids: Sequence[str],
    *,
    redactions: Redactions,
    types: Sequence[str] | None,
    position: int | None,
    limit: int,
    backwards: bool = False,
) -> dict[str, list[AnyFact]]:
    """Return, for every room, up to `limit` facts of these types (None: all) from the position on, itself included.

    They are in the order of the log, or newest first with `backwards`.
    """
    query = Log.query(types, None)
    if position is not None:
        query["_id"] = {"$lte" if backwards else "$gte": position}
    found = await child_pagination.read_documents(
        reader, FACTS_BY_ROOM, room_ids, query, limit=limit, backwards=backwards
    )
    return {room_id: [redactions.apply(decode(one)) for one in documents] for room_id, documents in found.items()}


async def count(reader: Reader, room_ids: Sequence[str], *, types: Sequence[str] | None) -> dict[str, int | None]:
    """Count the facts of these types (None: all) about each room."""
    return await child_pagination.count(reader, FACTS_BY_ROOM, room_ids, Log.query(types, None))
