"""Sessions: login with a password, which creates a token that expires, and logout."""

from datetime import datetime
from functools import partial

import msgspec

from resolvers import presence
from resolvers.auth import access, passwords
from resolvers.auth.tokens import SESSION, new_token
from resolvers.context import Context
from resolvers.operations import MutationContext, mutation
from resolvers.users import find_by_username
from storage import tokens, users
from storage.errors import Unauthenticated
from storage.mongo.reader import Reader
from storage.mongo.retries import read_with_retries
from storage.records import ActorType, Record, Token, User

#: The most sessions of one user. The oldest is ended when another begins.
MAX_SESSIONS = 100


class Session(Record, frozen=True, kw_only=False):
    """The answer of login. Only the token's hash is stored."""

    token: str
    expires_at: datetime
    user: User


async def login(context: Context, *, username: str, password: str) -> Session:
    """Log in. The error and the time do not show whether the username or the password is wrong."""
    with context.services.login_throttle.attempt(username, context.address) as lane:
        user, password_hash = await read_with_retries(
            context.storage.database, partial(_find_user, context.reader, username)
        )
        matches = await passwords.verify(context.services.hashing, lane, password_hash, password)
        if user is None or password_hash is None or not matches or not user.active:
            raise _wrong_credentials()
    return await _begin(context, user_id=user.id, password_hash=password_hash)


async def _find_user(reader: Reader, username: str) -> tuple[User | None, str | None]:
    """The user with this username, and the hash of its password."""
    user = await find_by_username(reader, username)
    return user, None if user is None else await passwords.find(reader, user.id)


def _wrong_credentials() -> Unauthenticated:
    return Unauthenticated("Username or password is wrong.")


@mutation(lock=("login", "user_id"), idempotent=False, anonymous=True)
async def _begin(change: MutationContext, *, user_id: str, password_hash: str) -> Session:
    """Create a session, if the user is still active and has the password that was verified."""
    tx = change.tx
    user = await users.get(tx, user_id)
    if not user.active or await passwords.find(tx, user_id) != password_hash:
        raise _wrong_credentials()
    await passwords.require_unchanged(tx, user_id, password_hash)
    token = new_token(SESSION)
    expires_at = tx.now + change.context.services.session_length
    await tokens.insert_limited(
        tx,
        Token(
            id=tokens.digest(token),
            holder_type=ActorType.USER,
            holder_id=user.id,
            created_at=tx.now,
            expires_at=expires_at,
        ),
        most=MAX_SESSIONS,
    )
    return Session(token, expires_at, user)


@mutation()
async def logout(change: MutationContext) -> bool:
    """End the caller's session. If it is the user's last, a presence that the user set becomes OFFLINE."""
    tx = change.tx
    user_id = access.require_user(change.caller).id
    token_id = change.caller.token_id
    assert token_id is not None, "a logged-in caller has a token"
    await tx.lock("user", user_id)
    before = await users.get(tx, user_id)
    remaining = [session for session in await tokens.list_by_holder(tx, user_id) if session.id != token_id]
    await tokens.delete(tx, user_id, digests=[token_id])
    after = presence.with_sessions(before, remaining, tx.now)
    if after.presence is not before.presence:
        after = msgspec.structs.replace(after, updated_at=tx.now)
    # The user is written even if it does not change. A concurrent setPresence of this session then conflicts, runs
    # again, and finds that the session has ended.
    await users.update(tx, before, after, *presence.facts_between(before, after))
    return True
