"""Agents: users that serve rooms. Operations that read, add, change and remove them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType
from typing_extensions import Unpack

from resolvers import validation
from resolvers.auth import access
from resolvers.context import Context
from resolvers.custom_fields.definitions import FieldRef, bind, resolve
from resolvers.custom_fields.values import FieldAssignment, other_assignments
from resolvers.operations import MutationContext, mutation, query
from resolvers.roles import check_granted
from resolvers.routing.requeue import limit_leave, store_and_requeue
from resolvers.users import changed_user, new_user
from storage import departments, users
from storage import roles as stored_roles
from storage.custom_fields import definitions
from storage.errors import Duplicate, NotAnAgent, NotFound, UsernameTaken, quoted
from storage.facts import (
    AgentAdded,
    AgentRemoved,
    AgentStatusChanged,
    AgentUpdated,
    UserCreated,
    UserFact,
    UserRolesChanged,
    UserUpdated,
)
from storage.filters.expressions import And, AttributeCondition, Expression, Operator
from storage.mongo.pagination import Page, PageArguments
from storage.records import (
    AgentProfile,
    AgentStatus,
    FieldDefinition,
    FieldTarget,
    FieldValue,
    Leave,
    Record,
    User,
    UserType,
)
from storage.transactions.conflicts import Conflict
from storage.transactions.transaction import Transaction


class AgentAddition(Record, frozen=True, kw_only=False):
    """The answer of addAgent. `added` is False if the user was an agent already."""

    user: User
    added: bool


class AgentEnsured(Record, frozen=True, kw_only=False):
    """The answer of ensureAgent. `created` is False if the user existed already."""

    user: User
    created: bool


@dataclass(frozen=True, slots=True)
class ProfileInput:
    """The arguments of updateAgent and ensureAgent that set an agent's profile. UNSET: left out."""

    status: AgentStatus | UnsetType | None
    accepts_routing: bool | UnsetType | None
    max_rooms: int | UnsetType | None
    department_ids: Sequence[str] | UnsetType | None


@query("users:read")
async def find_agent(context: Context, *, id: str) -> User | None:
    user = await users.find(context.reader, id)
    return user if user is not None and user.agent is not None else None


@query("users:read")
async def find_many(context: Context, ids: Sequence[str]) -> dict[str, User]:
    """Agents by id; users that are not agents are absent."""
    found = await users.get_many(context.reader, ids)
    return {user_id: user for user_id, user in found.items() if user.agent is not None}


@query("users:read")
async def list_agents(
    context: Context,
    *,
    where: Expression | None = None,
    routable: bool | None = None,
    **page: Unpack[PageArguments],
) -> Page[User]:
    """Agents that match, in the order in which their users were created."""
    request = validation.page(**page)
    expression = await bind(context.reader, FieldTarget.USER, where)
    parts = [expression, AttributeCondition("isAgent", Operator.EQ, True)]
    if routable is not None:
        parts.append(AttributeCondition("routable", Operator.EQ, routable))
    return await users.read_page(context.reader, And(tuple(parts)), order=users.AGENTS_BY_CREATION, page=request)


@query("users:read")
async def list_agents_by_department(
    context: Context, department_ids: Sequence[str], **page: Unpack[PageArguments]
) -> dict[str, Page[User]]:
    """A page of the agents of each of these departments, by department, in one round trip."""
    return await users.read_agent_pages_by_department(context.reader, department_ids, page=validation.page(**page))


# ---------------------------------------------------------------- changes


@mutation("agents:write", lock=("user", "user_id"))
async def add_agent(
    change: MutationContext,
    *,
    user_id: str,
    status: AgentStatus = AgentStatus.AVAILABLE,
    accepts_routing: bool = True,
    max_rooms: int | None = None,
    department_ids: Sequence[str] | None = None,
) -> AgentAddition:
    """Make a user an agent and give it the role livechat-agent. A user that is an agent already does not change."""
    before = await users.get(change.tx, user_id)
    await _require_may_make_agent(change, before)
    # Invalid arguments are refused even if the user is an agent already and does not change.
    profile = AgentProfile(
        status=status,
        accepts_routing=accepts_routing,
        max_rooms=_checked_max_rooms(max_rooms),
        department_ids=await _checked_department_ids(change, department_ids),
    )
    if before.agent is not None:
        return AgentAddition(before, False)
    after, facts = _become_agent(before, profile, change.tx.now)
    after = msgspec.structs.replace(after, updated_at=change.tx.now)
    return AgentAddition(await users.update(change.tx, before, after, *facts), True)


@mutation("agents:write", lock=("user", "user_id"))
async def remove_agent(change: MutationContext, *, user_id: str) -> User:
    """Take the agent's profile and the role livechat-agent from a user. Its rooms go back to the queue.

    The first batch of rooms is part of the mutation. A background task returns the rest.
    """
    tx = change.tx
    before = await _get_agent(tx, user_id, key="userId")
    await _require_managed(change, before)
    roles = tuple(name for name in before.roles if name != stored_roles.AGENT)
    leave = Leave(actor=tx.actor, open_room_count=_profile(before).open_room_count)
    after = msgspec.structs.replace(before, agent=None, leave=leave, roles=roles, updated_at=tx.now)
    facts: tuple[type[UserFact], ...] = (AgentRemoved,) if roles == before.roles else (UserRolesChanged, AgentRemoved)
    return await store_and_requeue(tx, before, after, *facts, routing=change.context.services.routing)


@mutation("agents:write", lock=("user", "agent_id"), self_argument="agent_id")
async def set_agent_status(change: MutationContext, *, agent_id: str, status: AgentStatus) -> User:
    """Change an agent's status. A NOT_AVAILABLE agent keeps its rooms and gets no new ones.

    Logged-in agents need no scope to change their own status.
    """
    before = await _get_agent(change.tx, agent_id, key="agentId")
    if change.caller.user is None or change.caller.user.id != agent_id:
        await _require_managed(change, before)
    if _profile(before).status is status:
        return before
    after = _with_profile(change.tx, before, status=status)
    return await users.update(change.tx, before, after, AgentStatusChanged)


@mutation("agents:write", lock=("user", "agent_id"))
async def update_agent(
    change: MutationContext,
    *,
    agent_id: str,
    accepts_routing: bool | UnsetType | None = UNSET,
    max_rooms: int | UnsetType | None = UNSET,
    department_ids: Sequence[str] | UnsetType | None = UNSET,
) -> User:
    """Change the given attributes of an agent. The agent keeps the rooms that it serves."""
    before = await _get_agent(change.tx, agent_id, key="agentId")
    await _require_managed(change, before)
    after = await _changed_agent(change, before, ProfileInput(UNSET, accepts_routing, max_rooms, department_ids))
    if after == before:
        return before
    after = msgspec.structs.replace(after, updated_at=change.tx.now)
    return await users.update(change.tx, before, after, AgentUpdated)


@mutation("agents:write", "users:write")
async def ensure_agent(
    change: MutationContext,
    *,
    by: FieldRef,
    username: str,
    name: str | UnsetType | None = UNSET,
    emails: Sequence[str] | UnsetType | None = UNSET,
    type: UserType = UserType.USER,
    roles: Sequence[str] | UnsetType | None = UNSET,
    custom_fields: Sequence[FieldAssignment] | UnsetType | None = UNSET,
    status: AgentStatus | UnsetType | None = UNSET,
    accepts_routing: bool | UnsetType | None = UNSET,
    max_rooms: int | UnsetType | None = UNSET,
    department_ids: Sequence[str] | UnsetType | None = UNSET,
) -> AgentEnsured:
    """Find the user whose unique custom field has this value, or create it, and make it an agent.

    An existing user is updated with the given arguments: roles are added, and `type` is ignored. Concurrent calls
    create one user. Raises UsernameTaken if another user has the username.
    """
    tx = change.tx
    definition, value = await resolve(tx, FieldTarget.USER, by)
    other_fields = other_assignments(definition, value, custom_fields or (), noun="agent")
    routing = UNSET if accepts_routing is None else accepts_routing
    profile_input = ProfileInput(status, routing, max_rooms, department_ids)
    await tx.lock("value", f"{definition.id}={value}")
    before = await users.find_by_field(tx, definition, value)
    if before is not None:
        after = await changed_user(
            change, before, username=username, name=name, emails=emails, custom_fields=other_fields
        )
        return AgentEnsured(await _update_existing(change, before, after, roles or (), profile_input), False)
    user = await new_user(
        change,
        username=username,
        name=None if name is UNSET else name,
        emails=emails or (),
        type=type,
        roles=roles or (),
        custom_fields=[FieldAssignment(by.key, by.value), *other_fields],
    )
    return AgentEnsured(await _insert_agent(change, user, profile_input, definition, value), True)


async def _insert_agent(
    change: MutationContext, user: User, profile_input: ProfileInput, definition: FieldDefinition, value: FieldValue
) -> User:
    """Store a new user as an agent. Raises Conflict if a concurrent call stored a user with this value."""
    await _require_may_make_agent(change, user)
    user, facts = _become_agent(user, await _new_profile(change, profile_input), change.tx.now)
    try:
        user = await users.insert(
            change.tx, user, UserCreated, *(fact for fact in facts if fact is not UserRolesChanged)
        )
        await change.tx.flush()
    except (Duplicate, UsernameTaken):
        if await definitions.has_value(change.context.reader, definition, value):
            raise Conflict from None  # the next attempt finds the user
        raise
    return user


async def _new_profile(change: MutationContext, profile_input: ProfileInput) -> AgentProfile:
    """The profile of a new agent, with the defaults of addAgent for arguments that are left out."""
    return AgentProfile(
        status=profile_input.status or AgentStatus.AVAILABLE,
        accepts_routing=True
        if profile_input.accepts_routing is UNSET
        else validation.not_null(profile_input.accepts_routing, "acceptsRouting"),
        max_rooms=None if profile_input.max_rooms is UNSET else _checked_max_rooms(profile_input.max_rooms),
        department_ids=await _checked_department_ids(change, profile_input.department_ids or None),
    )


async def _update_existing(
    change: MutationContext, before: User, user: User, role_names: Sequence[str], profile_input: ProfileInput
) -> User:
    """Store `user`, the changed form of `before`, as an agent with these roles added. Each change records a fact."""
    tx = change.tx
    facts: list[type[UserFact]] = [] if user == before else [UserUpdated]
    granted = set(before.roles) | set(await check_granted(change, role_names))
    if granted != set(before.roles):
        await access.require_no_escalation(tx, change.caller, before.roles, what="Changing this user's roles")
        user = msgspec.structs.replace(user, roles=tuple(sorted(granted)))
        facts.append(UserRolesChanged)
    if user.agent is None:
        await _require_may_make_agent(change, before)
        user, added = _become_agent(user, await _new_profile(change, profile_input), tx.now)
        facts.extend(fact for fact in added if fact not in facts)
    else:
        changed = await _changed_agent(change, user, profile_input)
        if changed != user:
            facts.append(AgentUpdated)
        if profile_input.status and _profile(changed).status is not profile_input.status:
            changed = _with_profile(tx, changed, status=profile_input.status)
            facts.append(AgentStatusChanged)
        if changed != user:
            await _require_managed(change, before)
        user = changed
    if not facts:
        return before
    user = msgspec.structs.replace(user, updated_at=tx.now)
    return await users.update(tx, before, user, *facts)


# ---------------------------------------------------------------- profiles


def _become_agent(user: User, profile: AgentProfile, now: datetime) -> tuple[User, tuple[type[UserFact], ...]]:
    """The user as an agent, and the facts to record for that."""
    roles = tuple(sorted({*user.roles, stored_roles.AGENT}))
    agent = limit_leave(msgspec.structs.replace(user, agent=profile, roles=roles), now)
    return agent, (AgentAdded,) if roles == user.roles else (UserRolesChanged, AgentAdded)


async def _get_agent(tx: Transaction, user_id: str, *, key: str) -> User:
    user = await users.get(tx, user_id, key=key)
    if user.agent is None:
        raise NotAnAgent(f"The user {quoted(user.username)} is not an agent; call addAgent first.")
    return user


async def _require_may_make_agent(change: MutationContext, user: User) -> None:
    """Raise Forbidden unless the caller may change this user and give it the role livechat-agent.

    An app with agents:write gives that role. A logged-in user needs the role's scopes too: it could make itself an
    agent, or a user whose password it knows.
    """
    what = "Making this user an agent"
    await access.require_no_escalation(change.tx, change.caller, user.roles, what=what, managing=True)
    if change.caller.user is not None:
        await access.require_no_escalation(change.tx, change.caller, (stored_roles.AGENT,), what=what)


async def _require_managed(change: MutationContext, agent: User) -> None:
    """Raise Forbidden unless the caller may change this agent and every department that the agent belongs to."""
    await access.require_no_escalation(change.tx, change.caller, agent.roles, what="Changing this agent", managing=True)
    access.require_manages(change.caller, _profile(agent).department_ids)


def _profile(user: User) -> AgentProfile:
    assert user.agent is not None
    return user.agent


def _with_profile(tx: Transaction, user: User, **changes: object) -> User:
    profile = msgspec.structs.replace(_profile(user), **changes)
    return msgspec.structs.replace(user, agent=profile, updated_at=tx.now)


async def _changed_agent(change: MutationContext, user: User, profile_input: ProfileInput) -> User:
    """The agent with the given attributes, except `status`. It is not stored."""
    profile = _profile(user)
    if profile_input.accepts_routing is not UNSET:
        accepts = validation.not_null(profile_input.accepts_routing, "acceptsRouting")
        profile = msgspec.structs.replace(profile, accepts_routing=accepts)
    if profile_input.max_rooms is not UNSET:
        profile = msgspec.structs.replace(profile, max_rooms=_checked_max_rooms(profile_input.max_rooms))
    if profile_input.department_ids is not UNSET:
        ids = await _checked_department_ids(change, profile_input.department_ids, current=profile.department_ids)
        profile = msgspec.structs.replace(profile, department_ids=ids)
    return msgspec.structs.replace(user, agent=profile)


def _checked_max_rooms(max_rooms: int | None) -> int | None:
    return None if max_rooms is None else validation.number(max_rooms, "maxRooms", minimum=0, maximum=100_000)


async def _checked_department_ids(
    change: MutationContext, ids: Sequence[str] | None, *, current: Sequence[str] = ()
) -> tuple[str, ...]:
    """The ids, sorted. Raises NotFound for a department that does not exist.

    Raises Forbidden if the caller may not change a department that is added to `current` or removed from it.
    """
    wanted = validation.texts(ids, "departmentIds")
    access.require_manages(change.caller, set(wanted) ^ set(current))
    existing = await departments.get_many(change.tx, wanted) if wanted else {}
    for department_id in wanted:
        if department_id not in existing:
            raise NotFound("department", department_id, key="departmentIds")
    return tuple(sorted(wanted))
