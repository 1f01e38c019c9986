"""Departments: operations that list, create and change them, and that add and remove their agents."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from resolvers import validation
from resolvers.auth import access
from resolvers.context import Context
from resolvers.operations import MutationContext, mutation, query
from storage import departments, users
from storage.errors import EntityId, Invalid, NotAnAgent, NotFound, quoted
from storage.facts import AgentUpdated
from storage.mongo.connection import new_id
from storage.records import AgentGoneAction, Department, RoutingMethod, User
from storage.transactions.transaction import Transaction

DAY_SECONDS = 24 * 60 * 60
YEAR_SECONDS = 365 * DAY_SECONDS


@query("users:read")
async def list_departments(context: Context) -> list[Department]:
    return await departments.list_all(context.reader)


@query("users:read")
async def find_many(context: Context, ids: Sequence[str]) -> dict[str, Department]:
    """Departments by id; those that do not exist are absent."""
    return await departments.get_many(context.reader, ids)


async def get_many(context: Context, ids: Iterable[str]) -> dict[str, Department]:
    """Departments by id, for fields of objects that the caller may read. Checks no scope."""
    return await context.storage.reference_data.departments(ids)


def cached(context: Context, ids: Sequence[str]) -> list[Department] | None:
    """What `get_many` returns, if this process has all of them in memory. None otherwise."""
    return context.storage.reference_data.cached_departments(ids)


@mutation("departments:write")
async def create_department(
    change: MutationContext,
    *,
    name: str,
    routing: RoutingMethod = RoutingMethod.LEAST_LOADED,
    external_timeout_seconds: int | None = None,
    fallback_routing: RoutingMethod | None = None,
    when_agent_gone: AgentGoneAction = AgentGoneAction.KEEP,
    agent_gone_after_seconds: int = 300,
) -> Department:
    department = Department(
        id=new_id(change.tx.now),
        name=validation.name(name, "name"),
        routing=routing,
        external_timeout_seconds=_timeout(external_timeout_seconds),
        fallback_routing=_fallback(fallback_routing),
        when_agent_gone=when_agent_gone,
        agent_gone_after_seconds=_gone_after(agent_gone_after_seconds),
    )
    return await departments.insert(change.tx, department)


@mutation("departments:write", lock=("department", "department_id"))
async def update_department(
    change: MutationContext,
    *,
    department_id: str,
    name: str | UnsetType | None = UNSET,
    enabled: bool | UnsetType | None = UNSET,
    routing: RoutingMethod | UnsetType | None = UNSET,
    external_timeout_seconds: int | UnsetType | None = UNSET,
    fallback_routing: RoutingMethod | UnsetType | None = UNSET,
    when_agent_gone: AgentGoneAction | UnsetType | None = UNSET,
    agent_gone_after_seconds: int | UnsetType | None = UNSET,
) -> Department:
    """Change the given attributes. The new method routes waiting rooms too. Their external timeouts do not change."""
    before = await departments.get(change.tx, department_id)
    access.require_manages(change.caller, (department_id,))
    changes: dict[str, object] = {}
    if name is not UNSET and name != before.name:
        changes["name"] = validation.name(validation.not_null(name, "name"), "name")
    if enabled is not UNSET:
        changes["enabled"] = validation.not_null(enabled, "enabled")
    if routing is not UNSET:
        changes["routing"] = validation.not_null(routing, "routing")
    if external_timeout_seconds is not UNSET:
        changes["external_timeout_seconds"] = _timeout(external_timeout_seconds)
    if fallback_routing is not UNSET:
        changes["fallback_routing"] = _fallback(fallback_routing)
    if when_agent_gone is not UNSET:
        changes["when_agent_gone"] = validation.not_null(when_agent_gone, "whenAgentGone")
    if agent_gone_after_seconds is not UNSET:
        seconds = validation.not_null(agent_gone_after_seconds, "agentGoneAfterSeconds")
        changes["agent_gone_after_seconds"] = _gone_after(seconds)
    after = msgspec.structs.replace(before, **changes)
    return before if after == before else await departments.update(change.tx, before, after)


@mutation("departments:write", lock=("department", "department_id"))
async def set_department_agents(
    change: MutationContext,
    *,
    department_id: str,
    add: Sequence[str] | None = None,
    remove: Sequence[str] | None = None,
) -> Department:
    """Add agents to a department and remove others. Changes nothing if one of the users is not an agent."""
    tx = change.tx
    department = await departments.get(tx, department_id)
    access.require_manages(change.caller, (department_id,))
    added = validation.texts(add, "add")
    removed = validation.texts(remove, "remove")
    if common := set(added) & set(removed):
        mentioned = [EntityId("agent", min(common))]
        raise Invalid(f"{quoted(min(common))} is in both add and remove.", key="remove", mentioned=mentioned)
    agent_ids = sorted({*added, *removed})
    # Routing changes these agents often. Without the locks, this transaction would conflict again and again.
    for agent_id in agent_ids:
        await tx.lock("user", agent_id)
    found = await users.get_many(tx, agent_ids) if agent_ids else {}
    for key, ids in (("add", added), ("remove", removed)):
        for agent_id in ids:
            _require_agent(found.get(agent_id), agent_id, key=key)
    changes = [
        (user, _in_department(tx, user, department_id, member=user.id in added))
        for user in map(found.__getitem__, agent_ids)
    ]
    await users.update_many(tx, [(before, after) for before, after in changes if after != before], AgentUpdated)
    return department


def _require_agent(user: User | None, agent_id: str, *, key: str) -> None:
    if user is None:
        raise NotFound("user", agent_id, key=key)
    if user.agent is None:
        raise NotAnAgent(f"The user {quoted(user.username)} is not an agent; call addAgent first.")


def _in_department(tx: Transaction, user: User, department_id: str, *, member: bool) -> User:
    """The agent as a member of the department, or without it. The same object if nothing changes."""
    assert user.agent is not None
    ids = set(user.agent.department_ids) - {department_id} | ({department_id} if member else set())
    if ids == set(user.agent.department_ids):
        return user
    profile = msgspec.structs.replace(user.agent, department_ids=tuple(sorted(ids)))
    return msgspec.structs.replace(user, agent=profile, updated_at=tx.now)


def _timeout(seconds: int | None) -> int | None:
    if seconds is None:
        return None
    return validation.number(seconds, "externalTimeoutSeconds", minimum=1, maximum=DAY_SECONDS)


def _gone_after(seconds: int) -> int:
    return validation.number(seconds, "agentGoneAfterSeconds", minimum=0, maximum=YEAR_SECONDS)


def _fallback(method: RoutingMethod | None) -> RoutingMethod | None:
    if method is RoutingMethod.EXTERNAL:
        raise Invalid("fallbackRouting cannot be EXTERNAL; choose another method.", key="fallbackRouting")
    return method
