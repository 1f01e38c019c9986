"""Roles: operations that list, create and change them, and that add them to users and remove them."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from resolvers import validation
from resolvers.auth import access
from resolvers.context import Context
from resolvers.names import forms
from resolvers.operations import MutationContext, mutation, query
from storage import roles as stored_roles
from storage import users
from storage.errors import Invalid, UnknownRole, quoted
from storage.facts import UserRolesChanged
from storage.mongo.connection import new_id
from storage.records import Role, User


@query("users:read")
async def list_roles(context: Context) -> list[Role]:
    return await stored_roles.list_all(context.reader)


@query("users:read")
async def find_many(context: Context, ids: Sequence[str]) -> dict[str, Role]:
    """Roles by id; those that do not exist are absent."""
    return await stored_roles.get_many_by_id(context.reader, ids)


async def get_many(context: Context, names: Iterable[str]) -> dict[str, Role]:
    """Roles by name, for fields of users that the caller may read. Checks no scope."""
    return await context.storage.reference_data.roles(names)


def cached(context: Context, names: Sequence[str]) -> list[Role] | None:
    """What `get_many` returns, if this process has all of them in memory. None otherwise."""
    return context.storage.reference_data.cached_roles(names)


@mutation("roles:write")
async def create_role(
    change: MutationContext, *, name: str, description: str | None = None, scopes: Sequence[str] | None = None
) -> Role:
    """Create a role. Its scopes must be scopes of the caller."""
    return await stored_roles.insert(
        change.tx,
        Role(
            id=new_id(change.tx.now),
            name=validation.name(name, "name", max_characters=64),
            description=validation.optional_text(description, "description"),
            scopes=_checked_scopes(change, scopes),
        ),
    )


@mutation("roles:write", lock=("role", "role_id"))
async def update_role(
    change: MutationContext,
    *,
    role_id: str,
    description: str | UnsetType | None = UNSET,
    scopes: Sequence[str] | UnsetType | None = UNSET,
) -> Role:
    """Change the given attributes of a role. Every user who holds the role has the new scopes at once.

    The role's scopes, before and after the change, must be scopes of the caller. Raises Invalid for a built-in role.
    """
    before = after = await stored_roles.get(change.tx, role_id)
    if before.built_in:
        raise Invalid(
            f"The role {quoted(before.name)} is built in and cannot be changed; create another role.", key="roleId"
        )
    access.require_held(change.caller, before.scopes, what="Changing this role")
    if description is not UNSET and description != before.description:
        text = validation.optional_text(description, "description")
        after = msgspec.structs.replace(after, description=text)
    if scopes is not UNSET:
        after = msgspec.structs.replace(after, scopes=_checked_scopes(change, scopes))
    return before if after == before else await stored_roles.update(change.tx, before, after)


def _checked_scopes(change: MutationContext, scopes: Sequence[str] | None) -> tuple[str, ...]:
    """The scopes, sorted. Raises Invalid for an unknown one, and Forbidden for one that the caller does not have."""
    wanted = validation.texts(scopes, "scopes", max_characters=64)
    access.require_existing_scopes(wanted, key="scopes")
    access.require_held(change.caller, wanted, what="A role with these scopes")
    return tuple(sorted(set(wanted)))


@mutation("roles:write", lock=("user", "user_id"))
async def add_roles(change: MutationContext, *, user_id: str, roles: Sequence[str]) -> User:
    """Add roles to a user. Roles that the user has already do not change."""
    before = await users.get(change.tx, user_id)
    await access.require_no_escalation(change.tx, change.caller, before.roles, what="Changing this user's roles")
    added = await check_granted(change, roles)
    return await _with_roles(change, before, set(before.roles) | set(added))


@mutation("roles:write", lock=("user", "user_id"))
async def remove_roles(change: MutationContext, *, user_id: str, roles: Sequence[str]) -> User:
    """Remove roles from a user. Roles that the user does not have are ignored, but every role must exist."""
    before = await users.get(change.tx, user_id)
    await access.require_no_escalation(change.tx, change.caller, before.roles, what="Changing this user's roles")
    removed = await _existing(change, roles)
    if stored_roles.AGENT in removed and before.agent is not None:
        raise Invalid("An agent keeps the role livechat-agent; call removeAgent instead.", key="roles")
    return await _with_roles(change, before, set(before.roles) - set(removed))


async def check_granted(change: MutationContext, names: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the roles to add, sorted. Raises UnknownRole, or Forbidden if the caller may not grant one."""
    if not names:
        return ()
    access.require(change.caller, ("roles:write",))
    existing = await _existing(change, names)
    await access.require_no_escalation(change.tx, change.caller, existing, what="Giving these roles")
    return existing


async def _existing(change: MutationContext, names: Sequence[str]) -> tuple[str, ...]:
    wanted = validation.texts(names, "roles", max_characters=64)
    stored = await stored_roles.get_recent_many(change.tx, [form for name in wanted for form in forms(name)])
    existing = set()
    for name in wanted:
        role = next((form for form in forms(name) if form in stored), None)
        if role is None:
            raise UnknownRole(name)
        existing.add(role)
    return tuple(sorted(existing))


async def _with_roles(change: MutationContext, before: User, names: set[str]) -> User:
    if names == set(before.roles):
        return before
    after = msgspec.structs.replace(before, roles=tuple(sorted(names)), updated_at=change.tx.now)
    return await users.update(change.tx, before, after, UserRolesChanged)
