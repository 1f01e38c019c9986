"""Roles: four built-in ones, and those that administrators create. A name identifies a role."""

from collections.abc import Iterable

from storage import entities
from storage.entities import Kind
from storage.errors import Duplicate, quoted
from storage.facts import RoleCreated
from storage.mongo.connection import new_id
from storage.mongo.reader import Reader
from storage.records import Role
from storage.transactions.transaction import Conflict, Transaction

KIND = Kind("roles", Role, noun="role")

ADMIN = "admin"
MANAGER = "livechat-manager"
AGENT = "livechat-agent"
BOT = "bot"

#: Names and descriptions of the built-in roles.
BUILT_IN = {
    ADMIN: "May do everything.",
    MANAGER: "Runs the conversations of its departments.",
    AGENT: "Serves conversations; every omnichannel agent has it.",
    BOT: "Is routable while offline, as programs that serve conversations are.",
}


async def list_all(reader: Reader) -> list[Role]:
    """Return all roles in the order of their creation, built-in ones first."""
    return await entities.list_all(reader, KIND, {}, skip_undecodable=True)


async def get_many(reader: Reader, names: Iterable[str]) -> dict[str, Role]:
    """Return the roles with those names, by name. Missing ones are left out."""
    found = await entities.list_all(reader, KIND, {"name": {"$in": list(names)}})
    return {role.name: role for role in found}


async def get_many_by_id(reader: Reader, ids: Iterable[str]) -> dict[str, Role]:
    """The roles with those ids, by id; those that do not exist are absent."""
    return await entities.get_many(reader, KIND, ids)


async def insert(tx: Transaction, role: Role) -> Role:
    """Insert a new role. Raises Duplicate if the name is taken."""
    taken = Duplicate(f"There is a role {quoted(role.name)} already.", key="name")
    role = await entities.insert(tx, KIND, role, refusal=lambda _: taken)
    tx.record_fact(RoleCreated, role, role=role)
    return role


async def ensure_built_in(tx: Transaction) -> None:
    """Create the missing built-in roles."""
    present = await get_many(tx, BUILT_IN)
    for name, description in BUILT_IN.items():
        if name not in present:
            await insert(tx, Role(id=new_id(tx.now), name=name, description=description, built_in=True))
    try:
        await tx.flush()
    except Duplicate:
        raise Conflict from None  # another process created it at the same time; the retry creates the others
