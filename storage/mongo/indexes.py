"""All indexes but those of unique custom fields (custom_fields/unique_indexes.py).

docs/reference/indexes.md explains each.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import OperationFailure

from storage.errors import DeploymentError
from storage.mongo.connection import Database, is_transient
from storage.records import AgentGoneAction, RoomStatus

#: How long the first answer of a mutation is stored. MongoDB deletes it within a minute after that.
IDEMPOTENCY_SECONDS = 24 * 60 * 60
#: How long the delivery log of a webhook is kept, if the webhook does not have so many deliveries that it is shorter.
DELIVERY_SECONDS = 30 * 24 * 60 * 60
#: How long the last signals of a process are stored. MongoDB deletes them within a minute after that.
SIGNAL_SECONDS = 60

DUPLICATE_KEY = 11_000
UNAUTHORIZED = 13
TOO_MANY_INDEXES = 67
OPTIONS_CONFLICT = 85
KEYS_CONFLICT = 86

#: Any custom field by equality, set or range, alone or in a context, sorted by id.
_FIELDS = IndexModel(
    [("attrs.k", ASCENDING), ("attrs.c", ASCENDING), ("attrs.v", ASCENDING), ("_id", ASCENDING)], name="fields"
)


def _index(name: str, *keys: str, unique: bool = False, **options: object) -> IndexModel:
    """An index on these paths, ascending, or descending where a path begins with "-"."""
    directions = [(key.lstrip("-"), DESCENDING if key.startswith("-") else ASCENDING) for key in keys]
    return IndexModel(directions, name=name, unique=unique, **options)


INDEXES: Mapping[str, tuple[IndexModel, ...]] = MappingProxyType(
    {
        # Finds the acknowledgements of facts that are no longer kept.
        "acknowledgements": (_index("sequence", "sequence", "at"),),
        # Found by _id.
        "app_data": (),
        "apps": (),
        "assignments": (_index("number", "roomId", "number"),),
        "consumers": (_index("owner", "ownerId", "name"),),
        "custom_fields": (_index("key", "target", "key", unique=True),),
        "departments": (
            _index(
                "requeueing",
                "whenAgentGone",
                "_id",
                partialFilterExpression={"whenAgentGone": AgentGoneAction.REQUEUE.value},
            ),
        ),
        # The visitors whose erasing is not finished.
        "erasures": (_index("unfinished", "requestedAt", partialFilterExpression={"unfinished": True}),),
        # Deletes old answers.
        "idempotency": (
            _index("age", "at", expireAfterSeconds=IDEMPOTENCY_SECONDS),
            # The answers with a message, whose content a redaction removes.
            _index("message", "answer.id", partialFilterExpression={"answer.sender": {"$exists": True}}),
            # The answers about a visitor or a room, which erasing the visitor removes.
            _index("subjects", "subjects", sparse=True),
        ),
        # Found by _id.
        "imports": (),
        "log": (
            # Keeps a fact from entering the log twice.
            _index("fact", "fact.id", unique=True),
            _index("age", "appendedAt"),
            _index("room", "fact.room.room.id", "_id", sparse=True),
            _index("type", "fact.type", "_id"),
            # The facts about a message, whose content its redaction removes.
            _index("message", "fact.message.id", sparse=True),
        ),
        "messages": (_index("number", "roomId", "number"),),
        "outbox": (_index("subject", "subject", "number", unique=True), _index("age", "at")),
        "roles": (_index("name", "name", unique=True),),
        "rooms": (
            _FIELDS,
            # The queue of a department: by priority, then by waiting time.
            _index("queue", "status", "departmentId", "-priority", "queuedAt", "_id"),
            # The same for rooms with and without an agent filter.
            _index("queue_by_filter", "status", "departmentId", "hasAgentFilter", "-priority", "queuedAt", "_id"),
            _index("served", "servedById", "status", "_id"),
            # The closed rooms that an agent served.
            _index("last_served", "lastServedById", "status", "_id"),
            _index("visitor", "visitorId", "_id"),
            # The open rooms of a visitor, whose number is limited.
            _index(
                "visitor_open",
                "visitorId",
                partialFilterExpression={
                    "status": {"$in": [one.value for one in RoomStatus if one is not RoomStatus.CLOSED]}
                },
            ),
            _index("status", "status", "_id"),
            _index("department", "departmentId", "_id"),
            _index("priority", "priority", "_id"),
            _index("tags", "tags", "_id"),
            _index("external", "status", "externalUntil", sparse=True),
            # The rooms of a department for which no app decides, in the order of the queue.
            _index(
                "declined_by_filter",
                "departmentId",
                "hasAgentFilter",
                "-priority",
                "queuedAt",
                "_id",
                partialFilterExpression={"declined": True, "status": RoomStatus.QUEUED.value},
            ),
            # The queue of all departments together, in order.
            _index(
                "waiting", "-priority", "queuedAt", "_id", partialFilterExpression={"status": RoomStatus.QUEUED.value}
            ),
            _index("closed", "closedAt", "_id"),
            _index("last_message", "lastMessageAt", "_id"),
        ),
        # Deletes the signals of processes that have none to write.
        "signals": (_index("age", "at", expireAfterSeconds=SIGNAL_SECONDS),),
        "timers": (_index("room", "roomId"), _index("due", "dueAt", "_id")),
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
            _index("name", "nameKey", "_id"),
            _index("presence", "presenceDue", sparse=True),
            # The agents to whom routing may offer rooms. No index has values that an assignment changes: MongoDB would
            # compute the keys of all indexes of the agent again.
            _index("offered", "routable", "agent.acceptsRouting", "agent.departmentIds"),
            _index(
                "leaving",
                "leave.openRoomCount",
                "_id",
                partialFilterExpression={"leave.openRoomCount": {"$exists": True}},
            ),
            _index("agents", "agent.status", "_id", partialFilterExpression={"agent.status": {"$exists": True}}),
        ),
        "visitors": (_FIELDS, _index("token", "token", unique=True), _index("email", "emailKey", "_id", sparse=True)),
        "webhook_deliveries": (
            _index("number", "webhookId", "number", unique=True),
            _index("age", "at", expireAfterSeconds=DELIVERY_SECONDS),
        ),
        "webhooks": (_index("name", "owner.id", "name", unique=True),),
    }
)

#: Indexes of earlier versions that are not used any more.
RETIRED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "messages": ("room",),
        "rooms": ("declined",),
        "users": (
            "least_loaded",
            "round_robin",
            "least_loaded_anywhere",
            "round_robin_anywhere",
            "offered_least_loaded",
            "offered_round_robin",
            "offered_least_loaded_anywhere",
            "offered_round_robin_anywhere",
            "gone",
        ),
    }
)


async def ensure(database: Database) -> None:
    """Create the collections and indexes that are missing, and drop the indexes of earlier versions.

    Raises DeploymentError if an index is missing and cannot be created. The collections are prepared at the same time,
    because MongoDB waits for its disk at each; none is still being prepared when this returns or raises.
    """
    present = set(await database.raw.list_collection_names())
    outcomes = await asyncio.gather(
        *(_ensure(database, name, present) for name in database.collection_names), return_exceptions=True
    )
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


async def list_missing(database: Database) -> list[str]:
    """The names of the indexes that do not exist, or have other keys, with their collections."""
    missing: list[str] = []
    for collection, indexes in INDEXES.items():
        present = {index["name"]: list(index["key"].items()) async for index in database[collection].list_indexes()}
        for index in indexes:
            name, keys = index.document["name"], list(index.document["key"].items())
            if present.get(name) != keys:
                missing.append(f"{collection}.{name}")
    return missing


async def _ensure(database: Database, collection: str, present: Collection[str]) -> None:
    if collection not in present:
        await database.create_collection(collection)
    if indexes := INDEXES.get(collection):
        await _create(database, collection, indexes)
    if retired := RETIRED.get(collection):
        await _drop(database, collection, retired)


async def _drop(database: Database, collection: str, retired: Sequence[str]) -> None:
    """Drop those of the indexes that exist.

    A drop waits for all transactions that use the collection, also if there is no such index: for a minute if a process
    was killed in one.
    """
    present = {index["name"] async for index in database[collection].list_indexes()}
    for index in present & set(retired):
        with suppress(OperationFailure):  # another process has dropped it
            await database[collection].drop_index(index)


async def _create(database: Database, collection: str, indexes: Sequence[IndexModel]) -> None:
    try:
        await database[collection].create_indexes(list(indexes))
    except OperationFailure:
        for index in indexes:  # the error for several indexes does not name one
            try:
                await database[collection].create_indexes([index])
            except OperationFailure as error:
                if is_transient(error):
                    raise
                remedy = await _remedy(database, collection, index, error)
                raise DeploymentError(
                    f"The index {index.document['name']} of the collection {collection} in the database "
                    f"{database.raw.name} is missing and cannot be created: {remedy}"
                ) from error


async def _remedy(database: Database, collection: str, index: IndexModel, error: OperationFailure) -> str:
    """Why the index cannot be created, and what to do."""
    name, keys = index.document["name"], list(index.document["key"].items())
    match error.code:
        case code if code in (OPTIONS_CONFLICT, KEYS_CONFLICT):
            present = await database[collection].index_information()
            other = next((one for one, info in present.items() if one == name or list(info["key"]) == keys), name)
            command = f'db.{collection}.dropIndex("{other}")'
            return f"another index has its name or its keys. Run {command} in mongosh and start again."
        case code if code == DUPLICATE_KEY:
            value = (error.details or {}).get("keyValue", {})
            pairs = ", ".join(f"{path} {found!r}" for path, found in value.items())
            return f"several documents have the same {pairs}. Delete or change all but one of them and start again."
        case code if code == TOO_MANY_INDEXES:
            return "the collection has as many indexes as MongoDB allows. Drop one that you created and start again."
        case code if code == UNAUTHORIZED:
            return "the MongoDB user must not create indexes. Give it the role readWrite and start again."
        case _:
            return f"MongoDB answers: {(error.details or {}).get('errmsg', error)}. Correct that and start again."
