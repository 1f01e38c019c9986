"""Roles: four built-in ones, and those that administrators create. A name identifies a role."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from storage import entities
from storage.changes import changes_between
from storage.entities import Kind
from storage.errors import Duplicate, quoted
from storage.facts import RoleCreated, RoleUpdated
from storage.mongo.connection import new_id
from storage.mongo.reader import Reader
from storage.records import Role
from storage.transactions.conflicts import Conflict
from storage.transactions.transaction import Transaction

KIND = Kind("roles", Role, noun="role")

ADMIN = "admin"
MANAGER = "livechat-manager"
AGENT = "livechat-agent"
BOT = "bot"

_SERVING = frozenset(
    {
        "users:read",
        "visitors:read",
        "visitors:write",
        "rooms:read",
        "rooms:write",
        "rooms:assign",
        "messages:read",
        "messages:write",
        "events:read",
    }
)
#: Names and descriptions of the built-in roles.
BUILT_IN: Mapping[str, str] = MappingProxyType(
    {
        ADMIN: "May do everything.",
        MANAGER: "Runs the conversations of its departments.",
        AGENT: "Serves conversations; every omnichannel agent has it.",
        BOT: "Is routable while offline, as programs that serve conversations are.",
    }
)
#: The scopes of the built-in roles. They belong to the version of the server, and are not read from the database.
BUILT_IN_SCOPES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        ADMIN: frozenset({"admin"}),
        MANAGER: _SERVING | {"agents:write", "departments:write", "messages:moderate"},
        AGENT: _SERVING,
        BOT: frozenset(),
    }
)


async def list_all(reader: Reader) -> list[Role]:
    """Return all roles in the order of their creation, built-in ones first."""
    return [_with_scopes(role) for role in await entities.list_all(reader, KIND, {}, skip_undecodable=True)]


async def get(reader: Reader, role_id: str, *, key: str = "roleId") -> Role:
    return _with_scopes(await entities.get(reader, KIND, role_id, key=key))


async def get_many(reader: Reader, names: Iterable[str]) -> dict[str, Role]:
    """Return the roles with those names, by name. Missing ones are left out."""
    found = await entities.list_all(reader, KIND, {"name": {"$in": list(names)}})
    return {role.name: _with_scopes(role) for role in found}


async def get_recent_many(tx: Transaction, names: Iterable[str]) -> dict[str, Role]:
    """Return what `get_many` returns, from the memory of this process if it has all of them.

    The commit requires their versions then.
    """
    names = list(names)
    recent: dict[str, Role | None] = {name: tx.recent(KIND.collection, name) for name in names}
    found = {name: role for name, role in recent.items() if role is not None}
    if len(found) < len(recent):
        found = await get_many(tx, names)
        for role in found.values():
            tx.put_recent(KIND.collection, role.name, role, version=role.version)
    for role in found.values():
        tx.require_version(KIND.collection, role)
    return found


async def get_many_by_id(reader: Reader, ids: Iterable[str]) -> dict[str, Role]:
    """The roles with those ids, by id; those that do not exist are absent."""
    found = await entities.get_many(reader, KIND, ids)
    return {role_id: _with_scopes(role) for role_id, role in found.items()}


async def insert(tx: Transaction, role: Role) -> Role:
    """Insert a new role. Raises Duplicate if the name is taken."""
    taken = Duplicate(f"There is a role {quoted(role.name)} already.", key="name")
    role = await entities.insert(tx, KIND, role, refusal=lambda _: taken)
    tx.record_fact(RoleCreated, role, role=role)
    return role


async def update(tx: Transaction, before: Role, after: Role) -> Role:
    after = await entities.replace(tx, KIND, before, after)
    tx.record_fact(RoleUpdated, after, role=after, changes=changes_between(before, after, RoleUpdated.fields))
    return after


def _with_scopes(role: Role) -> Role:
    if not role.built_in:
        return role
    return msgspec.structs.replace(role, scopes=tuple(sorted(BUILT_IN_SCOPES.get(role.name, ()))))


async def ensure_built_in(tx: Transaction) -> None:
    """Create the missing built-in roles."""
    present = await get_many(tx, BUILT_IN)
    for name, description in BUILT_IN.items():
        if name not in present:
            role = Role(id=new_id(tx.now), name=name, description=description, built_in=True)
            await insert(tx, _with_scopes(role))
    try:
        await tx.flush()
    except Duplicate:
        raise Conflict from None  # another process created it at the same time; the retry creates the others
