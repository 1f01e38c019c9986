"""Every index but those of unique custom fields (custom_fields/definitions.py). Explained in
docs/reference/indexes.md."""

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import OperationFailure

from storage.mongo.connection import Database

#: How long the first answer of a mutation is kept; MongoDB deletes it within a minute after.
IDEMPOTENCY_SECONDS = 24 * 60 * 60
#: The index of messages of a version that did not number them. It exists until all messages have numbers.
UNNUMBERED_INDEX = "room"

#: Any custom field by equality, set or range, alone or in a context, in the order of ids.
_FIELDS = IndexModel(
    [("attrs.k", ASCENDING), ("attrs.c", ASCENDING), ("attrs.v", ASCENDING), ("_id", ASCENDING)], name="fields"
)


def _index(name: str, *keys: str, unique: bool = False, **options: object) -> IndexModel:
    """An index on these paths, ascending, or descending where a path begins with "-"."""
    directions = [(key.lstrip("-"), DESCENDING if key.startswith("-") else ASCENDING) for key in keys]
    return IndexModel(directions, name=name, unique=unique, **options)


INDEXES: Mapping[str, tuple[IndexModel, ...]] = MappingProxyType(
    {
        "apps": (),
        "consumers": (_index("owner", "ownerId", "name"),),
        "custom_fields": (_index("key", "target", "key", unique=True),),
        "departments": (),
        # Forgets answers by itself once they are old enough.
        "idempotency": (_index("age", "at", expireAfterSeconds=IDEMPOTENCY_SECONDS),),
        "log": (
            # Keeps a fact from entering the log twice.
            _index("fact", "fact.id", unique=True),
            _index("age", "appendedAt"),
            _index("room", "fact.room.room.id", "_id", sparse=True),
            _index("type", "fact.type", "_id"),
        ),
        "messages": (_index("number", "roomId", "number"),),
        "outbox": (_index("subject", "subject", "number", unique=True), _index("age", "at")),
        "roles": (_index("name", "name", unique=True),),
        "rooms": (
            _FIELDS,
            # The queue: per department, highest priority first, then longest waiting.
            _index("queue", "status", "departmentId", "-priority", "queuedAt", "_id"),
            _index("served", "servedById", "status", "_id"),
            # The closed rooms that an agent served.
            _index("last_served", "lastServedById", "status", "_id"),
            _index("visitor", "visitorId", "_id"),
            _index("status", "status", "_id"),
            _index("department", "departmentId", "_id"),
            _index("priority", "priority", "_id"),
            _index("tags", "tags", "_id"),
            _index("external", "status", "externalUntil", sparse=True),
        ),
        "tokens": (_index("holder", "holderId", "createdAt"), _index("expiry", "expiresAt", expireAfterSeconds=0)),
        "users": (
            _FIELDS,
            _index("username", "usernameKey", unique=True),
            _index(
                "look",
                "usernameLook",
                unique=True,
                partialFilterExpression={"usernameLook": {"$type": "string"}},
            ),
            _index("email", "emailKeys", "_id"),
            _index("role", "roles", "_id"),
            _index("department", "agent.departmentIds", "_id"),
            _index("presence", "presenceDue", sparse=True),
            # Whom routing chooses: the first of these.
            _index(
                "offered_least_loaded",
                "routable",
                "agent.acceptsRouting",
                "agent.departmentIds",
                "agent.openRoomCount",
                "agent.lastAssignedAt",
                "usernameKey",
            ),
            _index(
                "offered_round_robin",
                "routable",
                "agent.acceptsRouting",
                "agent.departmentIds",
                "agent.lastAssignedAt",
                "usernameKey",
            ),
            _index(
                "offered_least_loaded_anywhere",
                "routable",
                "agent.acceptsRouting",
                "agent.openRoomCount",
                "agent.lastAssignedAt",
                "usernameKey",
            ),
            _index(
                "offered_round_robin_anywhere",
                "routable",
                "agent.acceptsRouting",
                "agent.lastAssignedAt",
                "usernameKey",
            ),
            _index(
                "leaving",
                "leave.openRoomCount",
                "_id",
                partialFilterExpression={"leave.openRoomCount": {"$exists": True}},
            ),
            _index("agents", "agent.status", "_id", partialFilterExpression={"agent.status": {"$exists": True}}),
        ),
        "visitors": (_FIELDS, _index("token", "token", unique=True), _index("email", "emailKey", "_id", sparse=True)),
    }
)

#: Indexes of earlier versions that nothing uses any more.
RETIRED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "messages": (UNNUMBERED_INDEX,),
        "users": ("least_loaded", "round_robin", "least_loaded_anywhere", "round_robin_anywhere"),
    }
)


async def ensure(database: Database) -> None:
    """Create the collections and indexes that are missing, and drop those of earlier versions.

    A transaction cannot create them on the way.
    """
    present = set(await database.raw.list_collection_names())
    for name in database.collection_names:
        if name not in present:
            await database.create_collection(name)
        if indexes := INDEXES.get(name):
            await database[name].create_indexes(list(indexes))
        if retired := RETIRED.get(name):
            for index in retired:
                with suppress(OperationFailure):  # there is no such index
                    await database[name].drop_index(index)
