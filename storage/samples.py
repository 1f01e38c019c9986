"""Sample data: the list of the entities that `switchboard seed` created, and their deletion.

The transaction that creates an entity also adds it to the list, so that the list is exact wherever the command ends.
Nothing else deletes rooms, users, visitors, departments, roles and apps. The log keeps the facts about them.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType

from pymongo.client_session import ClientSession

from storage import app_data, apps, entities, roles, rooms, users
from storage.app_data import DataOwner
from storage.custom_fields import definitions
from storage.facts import (
    AppCreated,
    CustomFieldDefined,
    DepartmentSaved,
    Fact,
    RoleCreated,
    RoomStarted,
    UserCreated,
    VisitorSaved,
)
from storage.mongo.connection import Document
from storage.mongo.reader import Reader
from storage.records import FieldDefinition, Record
from storage.transactions.transaction import Transaction

COLLECTION = "samples"
#: The id of the document with the state. The others have the ids of entities.
_STATE = "state"


class SampleKind(StrEnum):
    """The kinds of entities of sample data. The value is the name of the collection."""

    ROOM = "rooms"
    USER = "users"
    VISITOR = "visitors"
    DEPARTMENT = "departments"
    ROLE = "roles"
    FIELD = "custom_fields"
    APP = "apps"


class SampleState(StrEnum):
    CREATING = "CREATING"
    READY = "READY"
    REMOVING = "REMOVING"


class SampleRun(Record, frozen=True, kw_only=True):
    """The newest creation or removal of sample data."""

    id: str
    state: SampleState
    #: How many entities were created, of how many.
    created: int = 0
    expected: int = 0


class SampleRunEnded(Exception):
    """A removal, or another creation, has begun since. Nothing was written."""


#: The documents that belong to an entity and are deleted with it: the path of its id in each collection.
_OWNED: Mapping[SampleKind, Sequence[tuple[str, str]]] = MappingProxyType(
    {
        SampleKind.ROOM: (("messages", "roomId"), ("assignments", "roomId"), ("timers", "roomId")),
        SampleKind.USER: (("tokens", "holderId"), ("passwords", "_id"), ("consumers", "ownerId")),
        SampleKind.VISITOR: (("tokens", "holderId"),),
        SampleKind.APP: (("tokens", "holderId"), ("consumers", "ownerId")),
    }
)
#: The path of what names an entity.
_NAMES: Mapping[SampleKind, str] = MappingProxyType(
    {
        SampleKind.USER: "username",
        SampleKind.VISITOR: "name",
        SampleKind.DEPARTMENT: "name",
        SampleKind.ROLE: "name",
        SampleKind.FIELD: "key",
        SampleKind.APP: "name",
    }
)
#: The kinds beside which apps keep data.
_DATA_OWNERS: Mapping[SampleKind, DataOwner] = MappingProxyType(
    {
        SampleKind.ROOM: DataOwner.ROOM,
        SampleKind.USER: DataOwner.USER,
        SampleKind.VISITOR: DataOwner.VISITOR,
        SampleKind.APP: DataOwner.APP,
    }
)


async def find_run(reader: Reader) -> SampleRun | None:
    """The newest run. None if there are no sample data."""
    document = await reader.collection(COLLECTION).find_one({"_id": _STATE})
    return None if document is None else _decode(document)


def _decode(document: Document) -> SampleRun:
    return SampleRun(
        id=document["run"],
        state=SampleState(document["state"]),
        created=document["created"],
        expected=document["expected"],
    )


async def begin(reader: Reader, run: SampleRun) -> None:
    """Store a run in place of the previous one, whose transactions fail from now on."""
    values = {"run": run.id, "state": run.state.value, "created": run.created, "expected": run.expected}
    await reader.collection(COLLECTION).replace_one({"_id": _STATE}, values, upsert=True)


async def set_state(reader: Reader, run: SampleRun, state: SampleState) -> None:
    """Set the state of the run, unless another one has begun."""
    await reader.collection(COLLECTION).update_one({"_id": _STATE, "run": run.id}, {"$set": {"state": state.value}})


async def end(reader: Reader, run: SampleRun) -> None:
    """Delete the run, unless another one has begun."""
    await reader.collection(COLLECTION).delete_one({"_id": _STATE, "run": run.id})


def record(tx: Transaction, run: SampleRun) -> None:
    """Add the entities that this transaction creates to the list. It fails with SampleRunEnded if the run has ended."""
    created = [{"_id": fact.subject_id, "kind": kind.value} for fact in tx.facts if (kind := _created_kind(fact))]
    if not created:
        return
    collection = tx.collection(COLLECTION).delegate

    def write(session: ClientSession) -> None:
        unfinished: Document = {"_id": _STATE, "run": run.id, "state": {"$ne": SampleState.REMOVING.value}}
        counted = collection.update_one(unfinished, {"$inc": {"created": len(created)}}, session=session)
        if counted.matched_count == 0:
            raise SampleRunEnded
        collection.insert_many(created, session=session)

    tx.defer_write(write)


def _created_kind(fact: Fact) -> SampleKind | None:
    match fact:
        case RoomStarted():
            return SampleKind.ROOM
        case UserCreated():
            return SampleKind.USER
        case VisitorSaved() if fact.subject_number == 1:
            return SampleKind.VISITOR
        case DepartmentSaved() if fact.subject_number == 1:
            return SampleKind.DEPARTMENT
        case RoleCreated():
            return SampleKind.ROLE
        case CustomFieldDefined():
            return SampleKind.FIELD
        case AppCreated():
            return SampleKind.APP
    return None


async def list_ids(reader: Reader, kind: SampleKind) -> list[str]:
    """The ids of the listed entities of a kind, in the order of their creation."""
    found = reader.collection(COLLECTION).find({"kind": kind.value}, {"_id": 1}, sort=[("_id", 1)])
    return [document["_id"] for document in await found.to_list(None)]


async def count(reader: Reader) -> int:
    """How many entities are listed."""
    return int(await reader.collection(COLLECTION).count_documents({"kind": {"$exists": True}}))


async def has_others(reader: Reader) -> bool:
    """Whether there is an agent or an open room that is not in the list."""
    open_rooms = {"status": {"$in": list(rooms.OPEN_STATUSES)}}
    for kind, query in ((SampleKind.USER, users.IS_AGENT), (SampleKind.ROOM, open_rooms)):
        listed = await list_ids(reader, kind)
        if await reader.collection(kind.value).find_one({**query, "_id": {"$nin": listed}}, {"_id": 1}) is not None:
            return True
    return False


async def is_empty(reader: Reader) -> bool:
    """Whether the deployment has no agent and no room."""
    agent = await reader.collection(users.KIND.collection).find_one(users.IS_AGENT, {"_id": 1})
    return agent is None and await reader.collection(rooms.KIND.collection).find_one({}, {"_id": 1}) is None


# ---------------------------------------------------------------- deletion


async def delete_rooms(tx: Transaction, room_ids: Sequence[str]) -> None:
    """Delete rooms with all that belongs to them. They must be closed."""
    await _delete(tx, SampleKind.ROOM, room_ids)


async def delete_app(tx: Transaction, app_id: str) -> None:
    """Delete an app with its tokens, its consumers and all that it keeps."""
    app_data.delete_of_app(tx, app_id)
    await _delete(tx, SampleKind.APP, [app_id])


async def delete_user(tx: Transaction, user_id: str) -> bool:
    """Delete a user. Returns False if it is an agent, or still has rooms to return to the queue."""
    user = await users.find(tx, user_id)
    if user is not None:
        if user.agent is not None or user.leave is not None:
            return False
        await entities.delete(tx, users.KIND, user)
    await _delete(tx, SampleKind.USER, [user_id])
    return True


async def delete_visitor(tx: Transaction, visitor_id: str) -> bool:
    """Delete a visitor. Returns False if it has a room."""
    if await _exists(tx, rooms.KIND.collection, {"visitorId": visitor_id}):
        return False
    await _delete(tx, SampleKind.VISITOR, [visitor_id])
    return True


async def delete_department(tx: Transaction, department_id: str) -> bool:
    """Delete a department. Returns False if it has a room or an agent."""
    if await _exists(tx, rooms.KIND.collection, {"departmentId": department_id}):
        return False
    if await _exists(tx, users.KIND.collection, {"agent.departmentIds": department_id}):
        return False
    await _delete(tx, SampleKind.DEPARTMENT, [department_id])
    return True


async def delete_role(tx: Transaction, role_id: str) -> bool:
    """Delete a role. Returns False if a user has it."""
    role = await entities.find(tx, roles.KIND, {"_id": role_id})
    if role is not None and await _exists(tx, users.KIND.collection, {"roles": role.name}):
        return False
    await _delete(tx, SampleKind.ROLE, [role_id])
    return True


async def has_values(reader: Reader, definition: FieldDefinition) -> bool:
    """Whether an entity has a value of the field."""
    return await definitions.count_with_value(reader, definition.target, definition.id) > 0


def forget(tx: Transaction, entity_id: str) -> None:
    """Remove an entity from the list."""
    _delete_where(tx, COLLECTION, {"_id": entity_id})


async def list_names(reader: Reader, kind: SampleKind) -> list[str]:
    """The names of the listed entities of a kind, in alphabetical order. Of rooms, the ids."""
    found = reader.collection(kind.value).find({"_id": {"$in": await list_ids(reader, kind)}})
    documents = await found.to_list(None)
    return sorted(str(document.get(_NAMES.get(kind, "_id"), document["_id"])) for document in documents)


async def _exists(tx: Transaction, collection: str, query: Document) -> bool:
    found = await tx.collection(collection).find_one(query, {"_id": 1}, session=await tx.read_session())
    return found is not None


async def _delete(tx: Transaction, kind: SampleKind, ids: Sequence[str]) -> None:
    """Delete entities, all that belongs to them and their entries in the list, at the commit."""
    among: Document = {"$in": list(ids)}
    if (owner := _DATA_OWNERS.get(kind)) is not None:
        app_ids = [app.id for app in await apps.list_all(tx)]
        app_data.delete_of_owners(tx, app_ids, owner, ids)
    for collection, path in _OWNED.get(kind, ()):
        _delete_where(tx, collection, {path: among})
    _delete_where(tx, kind.value, {"_id": among})
    _delete_where(tx, COLLECTION, {"_id": among})


def _delete_where(tx: Transaction, collection: str, query: Document) -> None:
    delegate = tx.collection(collection).delegate
    tx.defer_write(lambda session: delegate.delete_many(query, session=session))
