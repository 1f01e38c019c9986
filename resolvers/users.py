"""Users: operations that find, list, create, change and deactivate them, and that set their presence."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import msgspec
from msgspec import UNSET, UnsetType
from typing_extensions import Unpack

from resolvers import names, validation
from resolvers import presence as presences
from resolvers.auth import access, passwords
from resolvers.context import Context
from resolvers.custom_fields.definitions import FieldRef, assign, bind, resolve
from resolvers.custom_fields.values import FieldAssignment
from resolvers.operations import MutationContext, mutation, query
from resolvers.ordering import Ordering, sort_order
from resolvers.roles import check_granted
from resolvers.routing.requeue import limit_leave, store_and_requeue
from storage import tokens, users
from storage.errors import Invalid, Unauthenticated, UniqueKey, UsernameTaken
from storage.facts import UserCreated, UserFact, UserUpdated
from storage.filters.expressions import Expression
from storage.mongo.connection import new_id
from storage.mongo.pagination import Page, PageArguments
from storage.mongo.reader import Reader
from storage.records import FieldTarget, Leave, Presence, User, UserType


@query("users:read")
async def find_user(
    context: Context,
    *,
    id: str | None = None,
    username: str | None = None,
    email: str | None = None,
    custom_field: FieldRef | None = None,
) -> User | None:
    """Find a user by one of the arguments. Raises Invalid if several users have the email."""
    reader = context.reader
    if id is not None:
        return await users.find(reader, id)
    if username is not None:
        return await find_by_username(reader, username)
    if email is not None:
        found = await users.list_by_email(reader, names.forms(email))
        if len(found) > 1:
            raise Invalid(
                "Several users have this email; identify the user by id, username or customField.", key="by.email"
            )
        return found[0] if found else None
    if custom_field is not None:
        definition, value = await resolve(reader, FieldTarget.USER, custom_field)
        return await users.find_by_field(reader, definition, value)
    raise Invalid("Identify the user by id, username, email or customField.", key="by")


async def find_by_username(reader: Reader, username: str) -> User | None:
    """Find a user by username, in every Unicode normalization form of it."""
    for form in names.forms(username):
        if (user := await users.find_by_username(reader, form)) is not None:
            return user
    return None


@query("users:read")
async def list_users(
    context: Context,
    *,
    where: Expression | None = None,
    order_by: Ordering | None = None,
    **page: Unpack[PageArguments],
) -> Page[User]:
    """A page of the users that match `where`, in the order of their creation by default."""
    request = validation.page(**page)
    expression = await bind(context.reader, FieldTarget.USER, where)
    order = await sort_order(
        context.reader,
        FieldTarget.USER,
        order_by,
        orders=users.ORDERS,
        default="CREATED_AT",
        by_field=users.order_by_field,
    )
    return await users.read_page(context.reader, expression, order=order, page=request)


async def get_many(context: Context, ids: Iterable[str]) -> dict[str, User]:
    """Users by id, for fields of objects that the caller may read. Checks no scope."""
    return await users.get_many(context.reader, ids)


@query("users:read")
async def find_many(context: Context, ids: Sequence[str]) -> dict[str, User]:
    """Users by id; those that do not exist are absent."""
    return await users.get_many(context.reader, ids)


# ---------------------------------------------------------------- changes


@mutation("users:write")
async def create_user(
    change: MutationContext,
    *,
    username: str,
    name: str | None = None,
    emails: Sequence[str] | None = None,
    type: UserType = UserType.USER,
    password: str | None = None,
    roles: Sequence[str] | None = None,
    custom_fields: Sequence[FieldAssignment] | None = None,
) -> User:
    """Create a user. `roles` needs the scope roles:write too."""
    user = await new_user(
        change, username=username, name=name, emails=emails, type=type, roles=roles, custom_fields=custom_fields
    )
    user = await users.insert(change.tx, user, UserCreated)
    if password is not None:
        await passwords.save(change.tx, change.context.services.hashing, user.id, password)
    return user


async def new_user(
    change: MutationContext,
    *,
    username: str,
    name: str | None,
    emails: Sequence[str] | None,
    type: UserType,
    roles: Sequence[str] | None,
    custom_fields: Sequence[FieldAssignment] | None,
) -> User:
    """A new user with checked attributes. It is not stored."""
    tx = change.tx
    username = validation.username(username)
    return User(
        id=new_id(tx.now),
        username=username,
        username_look=await _available_lookalike_key(change, username),
        name=validation.optional_name(name, "name"),
        emails=validation.emails(emails),
        type=type,
        roles=await check_granted(change, roles),
        custom_fields=await assign(tx, FieldTarget.USER, {}, custom_fields, creating=True),
        offline_since=tx.now,
        created_at=tx.now,
        updated_at=tx.now,
    )


@mutation("users:write", lock=("user", "user_id"))
async def update_user(
    change: MutationContext,
    *,
    user_id: str,
    username: str | UnsetType | None = UNSET,
    name: str | UnsetType | None = UNSET,
    emails: Sequence[str] | UnsetType | None = UNSET,
    password: str | UnsetType | None = UNSET,
    custom_fields: Sequence[FieldAssignment] | UnsetType | None = UNSET,
) -> User:
    """Change the given attributes. Custom fields merge key by key. A new password ends the user's sessions."""
    tx = change.tx
    before = await users.get(tx, user_id)
    after = await changed_user(change, before, username=username, name=name, emails=emails, custom_fields=custom_fields)
    if password is not UNSET:
        await access.require_no_escalation(tx, change.caller, before.roles, what="Changing this user's password")
        # With the password, the caller can log in as the agent and see the rooms of its departments.
        access.require_manages(change.caller, () if before.agent is None else before.agent.department_ids)
        if password is None:
            await passwords.clear(tx, user_id)
        else:
            await passwords.save(tx, change.context.services.hashing, user_id, password)
        await tokens.delete(tx, user_id)
        after = presences.with_sessions(after, (), tx.now)
    elif after == before:
        return before
    after = msgspec.structs.replace(after, updated_at=tx.now)
    return await users.update(tx, before, after, UserUpdated, *presences.facts_between(before, after))


async def changed_user(
    change: MutationContext,
    before: User,
    *,
    username: str | UnsetType | None = UNSET,
    name: str | UnsetType | None = UNSET,
    emails: Sequence[str] | UnsetType | None = UNSET,
    custom_fields: Sequence[FieldAssignment] | UnsetType | None = UNSET,
) -> User:
    """`before` with the given changes, checked. It is not stored."""
    after = before
    if username is None:
        raise Invalid("username cannot be null; leave it out to keep it as it is.", key="username")
    # A value that does not change is not checked: it may be older than the rule that it breaks.
    if username is not UNSET and username != before.username:
        username = validation.username(username)
        key = await _available_lookalike_key(change, username, user=before)
        after = msgspec.structs.replace(after, username=username, username_look=key)
    if name is not UNSET and name != before.name:
        after = msgspec.structs.replace(after, name=validation.optional_name(name, "name"))
    if emails is not UNSET and tuple(emails or ()) != before.emails:
        after = msgspec.structs.replace(after, emails=validation.emails(emails))
    if custom_fields is not UNSET:
        fields = await assign(change.tx, FieldTarget.USER, before.custom_fields, custom_fields)
        after = msgspec.structs.replace(after, custom_fields=fields)
    return after


async def _available_lookalike_key(change: MutationContext, username: str, *, user: User | None = None) -> str:
    """The lookalike key of a new username of `user`. Raises UsernameTaken if another user has a lookalike username.

    The unique index refuses the key of another user. This function refuses it for users of an earlier version, which
    are stored without a key.
    """
    lookalike_key = names.lookalike_key(username)
    if not username.isascii():
        keys = {lookalike_key, *(form.casefold() for form in names.forms(username))}
        others = await users.list_by_username_keys(change.tx, keys)
        for other in others:
            if user is None or other.id != user.id:
                refusal = UsernameTaken(username)
                refusal.taken = UniqueKey(users.KIND.noun, users.KIND.collection, {"_id": other.id})
                raise refusal
    return lookalike_key


@mutation("users:write", lock=("user", "user_id"))
async def set_user_active(change: MutationContext, *, user_id: str, active: bool) -> User:
    """Deactivate or reactivate a user. Deactivation ends its sessions and returns its rooms to the queue.

    The first batch of rooms is part of the mutation. A background task returns the rest.
    """
    tx = change.tx
    before = await users.get(tx, user_id)
    await access.require_no_escalation(tx, change.caller, before.roles, what="Changing this user's activity")
    if before.active == active:
        return before
    after = msgspec.structs.replace(before, active=active, updated_at=tx.now)
    # Also on reactivation: a login that ran during the deactivation may have created a session.
    await tokens.delete(tx, user_id)
    after = presences.with_sessions(after, (), tx.now)
    facts: list[type[UserFact]] = [UserUpdated, *presences.facts_between(before, after)]
    if active:
        return await users.update(tx, before, limit_leave(after, tx.now), *facts)
    if before.agent is None:
        return await users.update(tx, before, after, *facts)
    after = msgspec.structs.replace(after, leave=Leave(actor=tx.actor))
    return await store_and_requeue(tx, before, after, *facts, routing=change.context.services.routing)


@mutation("users:write", lock=("user", "user_id"), self_argument="user_id")
async def set_presence(
    change: MutationContext, *, user_id: str, presence: Presence, lease_seconds: int | None = None
) -> User:
    """Set a user's presence. Logged-in users need no scope to set their own.

    The presence becomes OFFLINE after `lease_seconds` unless it is set again. A presence that the user sets itself also
    becomes OFFLINE when the user's last session ends.
    """
    tx = change.tx
    until = None
    if lease_seconds is not None:
        longest = presences.MAX_LEASE_SECONDS
        until = tx.now + timedelta(seconds=validation.number(lease_seconds, "leaseSeconds", minimum=1, maximum=longest))
    before = await users.get(tx, user_id)
    sessions_until = None
    if change.caller.user is not None and change.caller.user.id == user_id:
        sessions = await tokens.list_by_holder(tx, user_id)
        sessions_until = presences.last_session_end(sessions, tx.now)
        own = [session for session in sessions if session.id == change.caller.token_id]
        if presences.last_session_end(own, tx.now) is None:  # it ended after the request was authenticated
            raise Unauthenticated("The session has ended; log in again.")
    if presence is Presence.OFFLINE:
        after = presences.offline(before, tx.now)
    else:
        after = presences.present(before, presence, until=until, sessions_until=sessions_until)
    if after == before:
        return before
    if presence is not before.presence:
        after = msgspec.structs.replace(after, updated_at=tx.now)
    return await users.update(tx, before, after, *presences.facts_between(before, after))
