"""Users, including omnichannel agents: an agent is a user with an agent profile."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Final

import msgspec
from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from storage import entities
from storage.changes import changes_between
from storage.custom_fields import definitions
from storage.entities import Kind
from storage.errors import UsernameTaken
from storage.facts import UserChanged, UserFact
from storage.filters.attributes import BOT_ROLE, is_routable
from storage.filters.expressions import Expression
from storage.filters.mongo_query import to_query
from storage.mongo import child_pagination
from storage.mongo.child_pagination import Relation
from storage.mongo.connection import Document, from_builtins, to_builtins
from storage.mongo.pagination import Page, PageRequest
from storage.mongo.reader import Reader
from storage.mongo.sort_orders import SortKey, SortOrder, field_order
from storage.records import Candidate, FieldDefinition, FieldTarget, Leave, User
from storage.transactions import writes
from storage.transactions.transaction import Transaction


def _derive(user: User, document: Document) -> None:
    document["usernameKey"] = user.username.casefold()
    if user.name is not None:
        document["nameKey"] = user.name.casefold()
    document["emailKeys"] = sorted({email.casefold() for email in user.emails})
    if user.agent is not None:
        document["routable"] = is_routable(user)
    if ends := [end for end in (user.presence_until, user.sessions_until) if end is not None]:
        document["presenceDue"] = min(ends)


def _client_values(user: User) -> object:
    departments = () if user.agent is None else user.agent.department_ids
    return user.custom_fields, user.roles, user.username, user.name, user.emails, departments


KIND = Kind("users", User, noun="user", target=FieldTarget.USER, derive=_derive, client_values=_client_values)
AGENTS_BY_DEPARTMENT = Relation("departments", "users", "agent.departmentIds")
BY_CREATION = SortOrder("users")
BY_USERNAME = SortOrder("users.username", (SortKey("usernameKey"),), unique=True)
#: Without case. Users without a name come last.
BY_NAME = SortOrder(
    "users.name",
    (SortKey("nameKey"),),
    present={"nameKey": {"$type": "string"}},
    absent={"nameKey": None},
)
#: The condition of an agent. The index `agents` has the users for which it holds; it serves no other wording, such as
#: that `agent` is not null.
IS_AGENT: Final[Document] = {"agent.status": {"$exists": True}}
#: Cursors of the list of agents differ from those of the list of users.
AGENTS_BY_CREATION = SortOrder("agents")
#: The orders of users by built-in attributes.
ORDERS: Mapping[str, SortOrder] = MappingProxyType(
    {"CREATED_AT": BY_CREATION, "USERNAME": BY_USERNAME, "NAME": BY_NAME}
)


async def get(reader: Reader, user_id: str, *, key: str = "userId") -> User:
    return await entities.get(reader, KIND, user_id, key=key)


async def get_many(reader: Reader, ids: Iterable[str]) -> dict[str, User]:
    return await entities.get_many(reader, KIND, ids)


async def find(reader: Reader, user_id: str) -> User | None:
    return await entities.find_by(reader, KIND, "_id", user_id)


async def find_by_username(reader: Reader, username: str) -> User | None:
    return await entities.find_by(reader, KIND, "usernameKey", username.casefold())


async def list_by_username_keys(reader: Reader, keys: Iterable[str]) -> list[User]:
    """Return the users whose case-folded usernames are among `keys`."""
    return await entities.list_all(reader, KIND, {"usernameKey": {"$in": list(keys)}})


async def list_by_email(reader: Reader, spellings: Iterable[str]) -> list[User]:
    """Return up to two users with one of these email addresses, compared without case."""
    keys = [spelling.casefold() for spelling in spellings]
    return await entities.list_all(reader, KIND, {"emailKeys": {"$in": keys}}, limit=2)


async def find_by_field(reader: Reader, definition: FieldDefinition, value: object) -> User | None:
    """Return the user with that value of a unique field."""
    return await entities.find_by(reader, KIND, definitions.path(definition), value)


async def read_page(
    reader: Reader, where: Expression, *, order: SortOrder = BY_CREATION, page: PageRequest
) -> Page[User]:
    """A page of the users that match. Raises InvalidCursor, and QueryTooComplex when no index gives the order and too
    many match to sort them."""
    return await entities.read_page(reader, KIND, to_query(where, FieldTarget.USER), order=order, page=page)


def order_by_field(definition: FieldDefinition) -> SortOrder:
    """By the value of a custom field, users without one last. Raises Invalid for a field without an order."""
    return field_order(KIND.collection, definition)


async def read_agent_pages_by_department(
    reader: Reader, department_ids: Sequence[str], *, page: PageRequest
) -> dict[str, Page[User]]:
    """Return a page of each department's agents, in the order of their creation, in one round trip."""

    async def decode(documents: list[Document]) -> list[User]:
        return await entities.decode(reader, KIND, documents)

    return await child_pagination.read_pages(reader, AGENTS_BY_DEPARTMENT, department_ids, {}, decode=decode, page=page)


async def insert(tx: Transaction, user: User, *kinds: type[UserFact]) -> User:
    """Insert a user, and record facts of these kinds about it. Raises UsernameTaken or Duplicate."""
    user = await entities.insert(tx, KIND, user, facts=len(kinds), refusal=partial(_refusal, tx, user))
    _record_facts(tx, None, user, kinds)
    return user


async def update(tx: Transaction, before: User, after: User, *kinds: type[UserFact]) -> User:
    """Replace a user, and record facts of these kinds about it. Raises UsernameTaken or Duplicate."""
    refusal = partial(_refusal, tx, after)
    after = await entities.replace(tx, KIND, before, after, facts=len(kinds), refusal=refusal)
    _record_facts(tx, before, after, kinds)
    return after


async def update_leaving(tx: Transaction, before: User, leaving: User, after: User, *kinds: type[UserFact]) -> User:
    """Replace a user whose first rooms the same transaction moved. Record facts of these kinds, with `leaving`.

    `leaving` is the user before the rooms were moved, and `after` the user with the version of the last fact about
    these rooms.
    """
    facts = len(kinds)
    leaving = msgspec.structs.replace(leaving, fact_count=before.fact_count + facts)
    _record_facts(tx, before, leaving, kinds)
    # `replace` increases the version by one.
    previous = msgspec.structs.replace(after, version=after.version - 1)
    return await entities.replace(tx, KIND, before, previous, facts=facts, refusal=partial(_refusal, tx, after))


async def update_many(tx: Transaction, changes: Sequence[tuple[User, User]], *kinds: type[UserFact]) -> None:
    """Replace users, each (before, after), and record facts of these kinds about each.

    Usernames and unique fields must not change.
    """
    changed = await entities.replace_many(tx, KIND, [(before, after, len(kinds)) for before, after in changes])
    for (before, _), user in zip(changes, changed, strict=True):
        _record_facts(tx, before, user, kinds)


def _record_facts(tx: Transaction, before: User | None, user: User, kinds: Sequence[type[UserFact]]) -> None:
    for number, kind in enumerate(kinds, start=user.fact_count - len(kinds) + 1):
        if before is not None and issubclass(kind, UserChanged):
            changes = changes_between(before, user, kind.fields)
            tx.record_fact(kind, user, number=number, user=user, changes=changes)
        else:
            tx.record_fact(kind, user, number=number, user=user)


def _refusal(tx: Transaction, user: User, error: DuplicateKeyError) -> Exception:
    if {"usernameKey", "usernameLook"} & (error.details or {}).get("keyPattern", {}).keys():
        return UsernameTaken(user.username)
    return definitions.unique_violation(tx, "user", user.custom_fields, error)


async def list_presence_due(reader: Reader, now: datetime, *, limit: int, excluding: Sequence[str] = ()) -> list[str]:
    """Return the users whose presence lease or last session has expired, in the order of expiry."""
    query: Document = {"presenceDue": {"$lte": now}}
    if excluding:
        query["_id"] = {"$nin": list(excluding)}
    cursor = reader.collection(KIND.collection).find(query, {"_id": 1}, sort=[("presenceDue", ASCENDING)], limit=limit)
    return [document["_id"] for document in await cursor.to_list(limit)]


# ---------------------------------------------------------------- agents

#: Agents to whom routing may offer rooms. Agents of version 0.1.0 have no acceptsRouting, which means true.
_ACCEPTING: Mapping[str, object] = MappingProxyType({"routable": True, "agent.acceptsRouting": {"$in": [True, None]}})


async def list_candidates(
    reader: Reader,
    department_id: str | None,
    *,
    role: str | None = None,
    where: Expression | None = None,
    least_loaded: bool,
    limit: int,
) -> list[Candidate]:
    """Return the first agents to whom routing may offer a room: of a department, with a role, and that match, if given.

    The order is: open rooms (if `least_loaded`), time of the last assignment, username.
    """
    query: Document = {**_ACCEPTING}
    if department_id is not None:
        query["agent.departmentIds"] = department_id
    if role is not None:
        query["roles"] = role
    if where is not None:
        query = {"$and": [query, to_query(where, FieldTarget.USER)]}
    sort = _offer_order(least_loaded)
    cursor = reader.collection(KIND.collection).find(
        query, {"agent": 1, "usernameKey": 1}, sort=sort, limit=limit, session=await reader.read_session()
    )
    return [
        from_builtins({**document["agent"], "id": document["_id"], "usernameKey": document["usernameKey"]}, Candidate)
        for document in await cursor.to_list(limit)
    ]


async def list_accepting(reader: Reader, ids: Collection[str]) -> dict[str, User]:
    """Return those of the users to whom routing may offer rooms, by id."""
    if not ids:
        return {}
    query: Document = {**_ACCEPTING, "_id": {"$in": list(ids)}}
    return {user.id: user for user in await entities.list_all(reader, KIND, query, skip_undecodable=True)}


async def list_considered(
    reader: Reader, department_id: str | None, *, least_loaded: bool, bots_first: bool, limit: int
) -> list[User]:
    """Return the first agents of a department (None: of all), whether routing may offer them a room or not.

    The order is that of `list_candidates`; with `bots_first`, agents with the role bot come before all others.
    """
    query: Document = {**IS_AGENT}
    if department_id is not None:
        query["agent.departmentIds"] = department_id

    async def find(roles: Document) -> list[User]:
        return await entities.list_all(
            reader, KIND, {**query, **roles}, sort=_offer_order(least_loaded), limit=limit, skip_undecodable=True
        )

    if not bots_first:
        return await find({})
    bots = await find({"roles": BOT_ROLE})
    return [*bots, *await find({"roles": {"$ne": BOT_ROLE}})][:limit]


def _offer_order(least_loaded: bool) -> list[tuple[str, int]]:
    order = [("agent.lastAssignedAt", ASCENDING), ("usernameKey", ASCENDING)]
    return [("agent.openRoomCount", ASCENDING), *order] if least_loaded else order


async def list_agents(reader: Reader) -> list[User]:
    """Return all agents that can be decoded, in no order. To sort them by id, MongoDB may read all users."""
    return await entities.list_all(reader, KIND, {**IS_AGENT}, sort=None, skip_undecodable=True)


async def list_leaving(reader: Reader, limit: int) -> dict[str, Leave]:
    """Return the first users whose rooms are being moved back to the queue, by id, with the rest of that work."""
    found = reader.collection(KIND.collection).find(
        {"leave.openRoomCount": {"$exists": True}}, {"leave": 1}, sort=[("leave.openRoomCount", ASCENDING)], limit=limit
    )
    return {document["_id"]: from_builtins(document["leave"], Leave) for document in await found.to_list(limit)}


async def list_routable_pools(reader: Reader) -> dict[str | None, str | None]:
    """Return the departments (None: all agents) with candidates for routing.

    The value is the id of the only candidate, or None if there are several.
    """
    groups = reader.collection(KIND.collection).aggregate(
        [
            {"$match": {**_ACCEPTING}},
            {"$group": {"_id": "$agent.departmentIds", "agents": {"$sum": 1}, "first": {"$first": "$_id"}}},
        ]
    )
    agents: dict[str | None, list[str | None]] = defaultdict(list)
    async for group in groups:
        for pool in (None, *group["_id"]):
            agents[pool].append(group["first"] if group["agents"] == 1 else None)
    return {pool: found[0] if len(found) == 1 else None for pool, found in agents.items()}


async def update_room_counts(tx: Transaction, changes: Sequence[tuple[User, User]]) -> None:
    """Store the room counts of agents, each (before, after). The facts about the rooms contain the agents.

    `after` has the version of the last of these facts. Only the changed values are written. Raises Conflict if an
    agent's version is not that of `before`.
    """
    collection = tx.collection(KIND.collection).delegate
    for before, after in changes:
        changed = {"$set": _room_count_update(after)}
        tx.defer_write(writes.update(collection, _unchanged(before), changed, must_match=True))


def _unchanged(user: User) -> Document:
    query: Document = {"_id": user.id, "version": user.version}
    # Without the profile, $set would create an incomplete one.
    return query if user.agent is None else {**query, **IS_AGENT}


def _room_count_update(user: User) -> Document:
    leave = {"leave": None if user.leave is None else to_builtins(user.leave)}
    if user.agent is None:
        return {"version": user.version, **leave}
    return {
        "version": user.version,
        **leave,
        "routable": is_routable(user),
        "agent.openRoomCount": user.agent.open_room_count,
        "agent.lastAssignedAt": user.agent.last_assigned_at,
    }


async def find_wrong_room_counts(reader: Reader, expected: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Return the agents whose openRoomCount differs from `expected` (default 0), by id, each (stored, expected)."""
    cursor = reader.collection(KIND.collection).find(IS_AGENT, {"agent.openRoomCount": 1})
    stored = {document["_id"]: int(document["agent"]["openRoomCount"]) async for document in cursor}
    return {
        agent_id: (count, expected.get(agent_id, 0))
        for agent_id, count in stored.items()
        if count != expected.get(agent_id, 0)
    }
