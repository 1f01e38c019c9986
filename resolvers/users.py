"""Users: created and changed by programs, found by whatever names them, made active and inactive."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import msgspec
from msgspec import UNSET, UnsetType

from resolvers import names, validation
from resolvers import presence as presences
from resolvers.auth import access, passwords
from resolvers.context import Context
from resolvers.custom_fields.definitions import FieldRef, assign, bind, resolve
from resolvers.custom_fields.values import FieldAssignment
from resolvers.operations import MutationContext, mutation, query
from resolvers.roles import check_granted
from resolvers.routing.departures import depart, stay
from storage import tokens, users
from storage.errors import Invalid, Unauthenticated, UsernameTaken
from storage.facts import UserCreated, UserFact, UserUpdated
from storage.filters.expressions import Expression
from storage.mongo.connection import new_id
from storage.mongo.pagination import Page
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
    """The user that the one given argument names. Raises Invalid when several users share the email."""
    reader = context.reader
    if id is not None:
        return await users.find(reader, id)
    if username is not None:
        return await find_by_username(reader, username)
    if email is not None:
        found = await users.list_by_email(reader, names.forms(email))
        if len(found) > 1:
            raise Invalid("Several users share this email; name the user otherwise.", key="email")
        return found[0] if found else None
    if custom_field is not None:
        definition, value = await resolve(reader, FieldTarget.USER, custom_field)
        return await users.find_by_field(reader, definition, value)
    raise Invalid("Name the user by id, username, email or customField.", key="by")


async def find_by_username(reader: Reader, username: str) -> User | None:
    """The user with that username, in whatever form of Unicode it is given."""
    for form in names.forms(username):
        if (user := await users.find_by_username(reader, form)) is not None:
            return user
    return None


@query("users:read")
async def list_users(
    context: Context,
    *,
    where: Expression | None = None,
    order_by: tuple[str, bool] | None = None,
    first: int = 50,
    after: str | None = None,
) -> Page[User]:
    """Users that match, in the order of their creation unless told otherwise: (CREATED_AT or USERNAME, descending)."""
    expression = await bind(context.reader, FieldTarget.USER, where)
    field, descending = order_by or ("CREATED_AT", False)
    order = users.BY_USERNAME if field == "USERNAME" else users.BY_CREATION
    return await users.read_page(
        context.reader,
        expression,
        order=order.reversed() if descending else order,
        first=validation.page_size(first),
        after=after,
    )


async def get_many(context: Context, ids: Iterable[str]) -> dict[str, User]:
    """Users by id, for fields of things that the caller was allowed to read."""
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
    """Create a user. Giving roles needs roles:write too."""
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
    """A user as it is to be created: checked, but not stored."""
    tx = change.tx
    username = validation.username(username)
    return User(
        id=new_id(tx.now),
        username=username,
        username_look=await _free_look(change, username),
        name=validation.optional_name(name, "name"),
        emails=validation.emails(emails),
        type=type,
        roles=await check_granted(change, roles),
        custom_fields=await assign(tx, FieldTarget.USER, {}, custom_fields, creating=True),
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
    """Change what is given; custom fields merge key by key. A change of the password ends the user's sessions."""
    tx = change.tx
    before = await users.get(tx, user_id)
    after = await changed_user(change, before, username=username, name=name, emails=emails, custom_fields=custom_fields)
    if password is not UNSET:
        access.require_no_escalation(change.caller, before.roles, what="Changing this user's password", strictly=True)
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
    """What a user becomes: checked, but not stored."""
    after = before
    if username is None:
        raise Invalid("A user always has a username; leave the argument out to keep it.", key="username")
    # What stays as it is is not checked: it may be older than the rule that it breaks.
    if username is not UNSET and username != before.username:
        username = validation.username(username)
        look = await _free_look(change, username, of=before)
        after = msgspec.structs.replace(after, username=username, username_look=look)
    if name is not UNSET and name != before.name:
        after = msgspec.structs.replace(after, name=validation.optional_name(name, "name"))
    if emails is not UNSET and tuple(emails or ()) != before.emails:
        after = msgspec.structs.replace(after, emails=validation.emails(emails))
    if custom_fields is not UNSET:
        fields = await assign(change.tx, FieldTarget.USER, before.custom_fields, custom_fields)
        after = msgspec.structs.replace(after, custom_fields=fields)
    return after


async def _free_look(change: MutationContext, username: str, *, of: User | None = None) -> str:
    """The look of a username. Raises UsernameTaken when a user from before looks were stored has it.

    Those with a stored look are the business of the unique index.
    """
    look = names.look(username)
    if not username.isascii():
        keys = {look, *(form.casefold() for form in names.forms(username))}
        holders = await users.list_by_username_keys(change.tx, keys)
        if any(of is None or holder.id != of.id for holder in holders):
            raise UsernameTaken(username)
    return look


@mutation("users:write", lock=("user", "user_id"))
async def set_user_active(change: MutationContext, *, user_id: str, active: bool) -> User:
    """Deactivate or reactivate. A deactivated user's sessions end, and the rooms it serves go back to the queue,
    those beyond the first step in the background."""
    tx = change.tx
    before = await users.get(tx, user_id)
    access.require_no_escalation(change.caller, before.roles, what="Changing this user's activity")
    if before.active == active:
        return before
    after = msgspec.structs.replace(before, active=active, updated_at=tx.now)
    # On reactivating too: somebody may have signed in just while the user was deactivated.
    await tokens.delete(tx, user_id)
    after = presences.with_sessions(after, (), tx.now)
    facts: list[type[UserFact]] = [UserUpdated, *presences.facts_between(before, after)]
    if active:
        return await users.update(tx, before, stay(after, tx.now), *facts)
    if before.agent is None:
        return await users.update(tx, before, after, *facts)
    return await depart(tx, before, msgspec.structs.replace(after, leave=Leave(actor=tx.actor)), *facts)


@mutation("users:write", lock=("user", "user_id"), self_argument="user_id")
async def set_presence(
    change: MutationContext, *, user_id: str, presence: Presence, lease_seconds: int | None = None
) -> User:
    """Say whether a user is there; signed-in users may say it of themselves.

    The presence ends after `lease_seconds` unless it is set again, and, where the user itself sets it, with the last of
    its sessions. Nothing ends OFFLINE.
    """
    tx = change.tx
    until = None
    if lease_seconds is not None:
        longest = presences.LONGEST_LEASE_SECONDS
        until = tx.now + timedelta(seconds=validation.number(lease_seconds, "leaseSeconds", minimum=1, maximum=longest))
    before = await users.get(tx, user_id)
    sessions_until = None
    if change.caller.user is not None and change.caller.user.id == user_id:
        sessions = await tokens.list_by_holder(tx, user_id)
        sessions_until = presences.last_session_end(sessions, tx.now)
        own = [one for one in sessions if one.id == change.caller.token_id]
        if presences.last_session_end(own, tx.now) is None:  # it ended since the request came in
            raise Unauthenticated("The session has ended; log in again.")
    after = msgspec.structs.replace(before, presence=presence, presence_until=until, sessions_until=sessions_until)
    if presence is Presence.OFFLINE:
        after = presences.offline(after)
    if after == before:
        return before
    if presence is not before.presence:
        after = msgspec.structs.replace(after, updated_at=tx.now)
    return await users.update(tx, before, after, *presences.facts_between(before, after))
