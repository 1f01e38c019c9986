"""Numbers the messages of a version without numbers, and stores the count of messages in each room."""

from collections.abc import Sequence

from storage.migrations.migration import Progress
from storage.mongo.connection import Collection, Database, Document

#: Rooms of one round.
BATCH = 500


async def add_message_numbers(database: Database, progress: Progress) -> None:
    """Number the messages of each room by their ids.

    A number that is stored stays, and so does a higher count: another process may have sent messages since it did this.
    """
    rooms, messages = database["rooms"], database["messages"]
    while True:
        found = rooms.find({"_id": {"$gt": progress.position}}, {"_id": 1}, sort=["_id"], limit=BATCH)
        ids = [room["_id"] for room in await found.to_list(None)]
        if not ids:
            return
        of_rooms = {"$match": {"roomId": {"$in": ids}}}
        window = {"partitionBy": "$roomId", "sortBy": {"_id": 1}, "output": {"number": {"$documentNumber": {}}}}
        numbers: list[Document] = [of_rooms, {"$setWindowFields": window}, {"$project": {"number": 1}}]
        await _merge(messages, numbers, into="messages", number={"$ifNull": ["$number", "$$new.number"]})
        group = {"_id": "$roomId", "count": {"$max": "$number"}, "last": {"$max": "$sentAt"}}
        count = {"$max": ["$messageCount", "$$new.count"]}
        last = {"$max": ["$lastMessageAt", "$$new.last"]}
        await _merge(messages, [of_rooms, {"$group": group}], into="rooms", messageCount=count, lastMessageAt=last)
        await progress.advance(ids[-1], len(ids))


async def _merge(messages: Collection, pipeline: Sequence[Document], *, into: str, **values: Document) -> None:
    """Set the values in the documents of `into` that have the ids of the results."""
    merged = {"$merge": {"into": into, "whenMatched": [{"$set": values}], "whenNotMatched": "discard"}}
    await messages.aggregate([*pipeline, merged], allowDiskUse=True).to_list(None)
