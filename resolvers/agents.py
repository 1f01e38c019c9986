"""Omnichannel agents: users that serve rooms, made so, changed, and made ordinary users again."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from resolvers import validation
from resolvers.auth import access
from resolvers.context import Context
from resolvers.custom_fields.definitions import FieldRef, bind, resolve
from resolvers.custom_fields.values import FieldAssignment, convert
from resolvers.operations import MutationContext, mutation, query
from resolvers.roles import check_granted
from resolvers.routing.departures import depart, stay
from resolvers.users import changed_user, new_user
from storage import departments, users
from storage import roles as stored_roles
from storage.errors import Duplicate, Invalid, NotAnAgent, NotFound, UsernameTaken, quoted
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
from storage.mongo.pagination import Page
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
from storage.transactions.transaction import Conflict, Transaction


class AgentAddition(Record, frozen=True, kw_only=False):
    """An agent, and whether it became one just now."""

    user: User
    added: bool


class AgentEnsured(Record, frozen=True, kw_only=False):
    """An agent, and whether its user was created just now."""

    user: User
    created: bool


@query("users:read")
async def find_agent(context: Context, *, id: str) -> User | None:
    user = await users.find(context.reader, id)
    return user if user is not None and user.agent is not None else None


@query("users:read")
async def list_agents(
    context: Context,
    *,
    where: Expression | None = None,
    routable: bool | None = None,
    first: int = 50,
    after: str | None = None,
) -> Page[User]:
    """Agents that match, in the order in which their users were created."""
    expression = await bind(context.reader, FieldTarget.USER, where)
    parts = [expression, AttributeCondition("isAgent", Operator.EQ, True)]
    if routable is not None:
        parts.append(AttributeCondition("routable", Operator.EQ, routable))
    return await users.read_page(
        context.reader,
        And(tuple(parts)),
        order=users.AGENTS_BY_CREATION,
        first=validation.page_size(first),
        after=after,
    )


@query("users:read")
async def list_agents_by_department(
    context: Context, department_ids: Sequence[str], *, first: int = 50, after: str | None = None
) -> dict[str, Page[User]]:
    """A page of the agents of each of these departments, by department, in one round trip."""
    size = validation.page_size(first)
    return await users.read_agent_pages_by_department(context.reader, department_ids, first=size, after=after)


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
    """Make a user an agent, which gives it the role livechat-agent too. One that is an agent stays as it is."""
    before = await users.get(change.tx, user_id)
    access.require_no_escalation(change.caller, before.roles, what="Making this user an agent")
    # What would be refused of a user is refused of an agent too, though it stays as it is.
    profile = AgentProfile(
        status=status,
        accepts_routing=accepts_routing,
        max_rooms=_limit(max_rooms),
        department_ids=await _departments(change, department_ids),
    )
    if before.agent is not None:
        return AgentAddition(before, False)
    after, facts = _become_agent(before, profile, change.tx.now)
    after = msgspec.structs.replace(after, updated_at=change.tx.now)
    return AgentAddition(await users.update(change.tx, before, after, *facts), True)


@mutation("agents:write", lock=("user", "user_id"))
async def remove_agent(change: MutationContext, *, user_id: str) -> User:
    """Make an agent an ordinary user, without the role livechat-agent. The rooms it serves go back to the queue, those
    beyond the first step in the background."""
    tx = change.tx
    before = await _agent(tx, user_id, key="userId")
    _require_managed(change, before)
    rest = tuple(name for name in before.roles if name != stored_roles.AGENT)
    leave = Leave(actor=tx.actor, open_room_count=_profile(before).open_room_count)
    after = msgspec.structs.replace(before, agent=None, leave=leave, roles=rest, updated_at=tx.now)
    facts: tuple[type[UserFact], ...] = (AgentRemoved,) if rest == before.roles else (UserRolesChanged, AgentRemoved)
    return await depart(tx, before, after, *facts)


@mutation("agents:write", lock=("user", "agent_id"), self_argument="agent_id")
async def set_agent_status(change: MutationContext, *, agent_id: str, status: AgentStatus) -> User:
    """Available agents get rooms; others keep those they serve. Signed-in agents may say it of themselves."""
    before = await _agent(change.tx, agent_id, key="agentId")
    if change.caller.user is None or change.caller.user.id != agent_id:
        _require_managed(change, before)
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
    """Change an agent's limit, departments, or whether routing offers it rooms. It keeps the rooms that it serves."""
    before = await _agent(change.tx, agent_id, key="agentId")
    _require_managed(change, before)
    after = await _changed(
        change, before, accepts_routing=accepts_routing, max_rooms=max_rooms, department_ids=department_ids
    )
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
    """The agent whose unique field has that value: found, or created together with its user, in one step.

    A user that is found is made an agent if it is none, and updated with what is given; roles are added, and its type
    stays. However many ask at once, one user is created. Raises UsernameTaken when the username is another user's.
    """
    tx = change.tx
    definition, value = await resolve(tx, FieldTarget.USER, by)
    custom_fields = _beside(definition, value, custom_fields or ())
    await tx.lock("value", f"{definition.id}={value}")
    before = await users.find_by_field(tx, definition, value)
    if before is not None:
        return AgentEnsured(
            await _update_found(
                change,
                before,
                username=username,
                name=name,
                emails=emails,
                role_names=roles or (),
                custom_fields=custom_fields,
                status=status,
                accepts_routing=accepts_routing,
                max_rooms=max_rooms,
                department_ids=department_ids,
            ),
            False,
        )
    user = await new_user(
        change,
        username=username,
        name=None if name is UNSET else name,
        emails=emails or (),
        type=type,
        roles=roles or (),
        custom_fields=[FieldAssignment(by.key, by.value), *custom_fields],
    )
    profile = await _new_profile(
        change, status=status, accepts_routing=accepts_routing, max_rooms=max_rooms, department_ids=department_ids
    )
    user, facts = _become_agent(user, profile, tx.now)
    created = tuple(fact for fact in facts if fact is not UserRolesChanged)
    try:
        user = await users.insert(tx, user, UserCreated, *created)
        await tx.flush()
    except (Duplicate, UsernameTaken):
        if await users.has_field_value(change.context.reader, definition, value):
            raise Conflict from None  # somebody else was quicker: start again, and find what they made
        raise
    return AgentEnsured(user, True)


def _beside(
    definition: FieldDefinition, value: FieldValue, assignments: Sequence[FieldAssignment]
) -> list[FieldAssignment]:
    """The other fields to write. Raises Invalid when the one that names the user is to be something else too."""
    subject = f"Custom field {quoted(definition.key)}"
    for one in assignments:
        if one.key != definition.key or one.value is UNSET:
            continue
        if one.value is None or convert(definition, one.value, subject=subject) != value:
            raise Invalid(f"{subject} names the agent, so it cannot be given another value.", key=definition.key)
    return [one for one in assignments if one.key != definition.key]


async def _new_profile(
    change: MutationContext,
    *,
    status: AgentStatus | UnsetType | None,
    accepts_routing: bool | UnsetType | None,
    max_rooms: int | UnsetType | None,
    department_ids: Sequence[str] | UnsetType | None,
) -> AgentProfile:
    """The profile of somebody who becomes an agent; what is not given is as addAgent has it."""
    return AgentProfile(
        status=status or AgentStatus.AVAILABLE,
        accepts_routing=True if accepts_routing is UNSET or accepts_routing is None else accepts_routing,
        max_rooms=None if max_rooms is UNSET else _limit(max_rooms),
        department_ids=await _departments(change, department_ids or None),
    )


async def _update_found(
    change: MutationContext,
    before: User,
    *,
    username: str,
    name: str | UnsetType | None,
    emails: Sequence[str] | UnsetType | None,
    role_names: Sequence[str],
    custom_fields: Sequence[FieldAssignment] | UnsetType | None,
    status: AgentStatus | UnsetType | None,
    accepts_routing: bool | UnsetType | None,
    max_rooms: int | UnsetType | None,
    department_ids: Sequence[str] | UnsetType | None,
) -> User:
    """What ensureAgent does to a user that is there already, with the facts that this takes and no others."""
    tx = change.tx
    user = await changed_user(change, before, username=username, name=name, emails=emails, custom_fields=custom_fields)
    facts: list[type[UserFact]] = [] if user == before else [UserUpdated]
    granted = set(before.roles) | set(await check_granted(change, role_names))
    if granted != set(before.roles):
        access.require_no_escalation(change.caller, before.roles, what="Changing this user's roles")
        user = msgspec.structs.replace(user, roles=tuple(sorted(granted)))
        facts.append(UserRolesChanged)
    if user.agent is None:
        access.require_no_escalation(change.caller, before.roles, what="Making this user an agent")
        profile = await _new_profile(
            change, status=status, accepts_routing=accepts_routing, max_rooms=max_rooms, department_ids=department_ids
        )
        user, told = _become_agent(user, profile, tx.now)
        facts.extend(fact for fact in told if fact not in facts)
    else:
        changed = await _changed(
            change,
            user,
            accepts_routing=UNSET if accepts_routing is None else accepts_routing,
            max_rooms=max_rooms,
            department_ids=department_ids,
        )
        if changed != user:
            facts.append(AgentUpdated)
        if status and _profile(changed).status is not status:
            changed = _with_profile(tx, changed, status=status)
            facts.append(AgentStatusChanged)
        user = changed
    if not facts:
        return before
    user = msgspec.structs.replace(user, updated_at=tx.now)
    return await users.update(tx, before, user, *facts)


# ---------------------------------------------------------------- profiles


def _become_agent(user: User, profile: AgentProfile, moment: datetime) -> tuple[User, tuple[type[UserFact], ...]]:
    """The user as an agent, and the facts of how it became one."""
    roles = tuple(sorted({*user.roles, stored_roles.AGENT}))
    agent = stay(msgspec.structs.replace(user, agent=profile, roles=roles), moment)
    return agent, (AgentAdded,) if roles == user.roles else (UserRolesChanged, AgentAdded)


async def _agent(tx: Transaction, user_id: str, *, key: str) -> User:
    user = await users.get(tx, user_id, key=key)
    if user.agent is None:
        raise NotAnAgent(f"The user {quoted(user.username)} is not an agent; call addAgent first.")
    return user


def _require_managed(change: MutationContext, agent: User) -> None:
    """Raise Forbidden unless the caller may decide about this agent, and about every department that it works in."""
    access.require_no_escalation(change.caller, agent.roles, what="Changing this agent")
    access.require_manages(change.caller, _profile(agent).department_ids)


def _profile(user: User) -> AgentProfile:
    assert user.agent is not None
    return user.agent


def _with_profile(tx: Transaction, user: User, **changes: object) -> User:
    profile = msgspec.structs.replace(_profile(user), **changes)
    return msgspec.structs.replace(user, agent=profile, updated_at=tx.now)


async def _changed(
    change: MutationContext,
    user: User,
    *,
    accepts_routing: bool | UnsetType | None,
    max_rooms: int | UnsetType | None,
    department_ids: Sequence[str] | UnsetType | None,
) -> User:
    profile = _profile(user)
    if accepts_routing is not UNSET:
        accepts = validation.not_null(accepts_routing, "acceptsRouting")
        profile = msgspec.structs.replace(profile, accepts_routing=accepts)
    if max_rooms is not UNSET:
        profile = msgspec.structs.replace(profile, max_rooms=_limit(max_rooms))
    if department_ids is not UNSET:
        ids = await _departments(change, department_ids, held=profile.department_ids)
        profile = msgspec.structs.replace(profile, department_ids=ids)
    return msgspec.structs.replace(user, agent=profile)


def _limit(max_rooms: int | None) -> int | None:
    return None if max_rooms is None else validation.number(max_rooms, "maxRooms", minimum=0, maximum=100_000)


async def _departments(
    change: MutationContext, ids: Sequence[str] | None, *, held: Sequence[str] = ()
) -> tuple[str, ...]:
    """The departments' ids, sorted. Raises NotFound for one that does not exist, and Forbidden when the caller may not
    decide about one that comes or goes."""
    wanted = validation.texts(ids, "departmentIds")
    access.require_manages(change.caller, set(wanted) ^ set(held))
    known = await departments.get_many(change.tx, wanted) if wanted else {}
    for one in wanted:
        if one not in known:
            raise NotFound("department", one, key="departmentIds")
    return tuple(sorted(wanted))
