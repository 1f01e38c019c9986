"""Sessions: users sign in with a password and get a token for some hours."""

from datetime import datetime, timedelta
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
from storage.mongo.retries import with_retries
from storage.records import ActorType, Record, Token, User

SESSION_HOURS = 12


class Session(Record, frozen=True, kw_only=False):
    """A token that nobody can read again, and until when it is whose."""

    token: str
    expires_at: datetime
    user: User


async def login(context: Context, *, username: str, password: str) -> Session:
    """Sign in. Says only that username or password are wrong, and takes as long whichever it is."""
    with context.services.login_throttle.attempt(username, context.address) as lane:
        user, kept = await with_retries(context.storage.database, partial(_find, context.reader, username))
        right = await passwords.verify(context.services.hashing, lane, kept, password)
        if user is None or kept is None or not right or not user.active:
            raise _wrong()
    return await _begin(context, user_id=user.id, password_hash=kept)


async def _find(reader: Reader, username: str) -> tuple[User | None, str | None]:
    """The user with that username, and the hash of its password."""
    user = await find_by_username(reader, username)
    return user, None if user is None else await passwords.find(reader, user.id)


def _wrong() -> Unauthenticated:
    return Unauthenticated("Username or password is wrong.")


@mutation(lock=("sign-in", "user_id"), idempotent=False, anonymous=True)
async def _begin(change: MutationContext, *, user_id: str, password_hash: str) -> Session:
    """Begin a session of a user whose password was right, if that is still so."""
    tx = change.tx
    user = await users.get(tx, user_id)
    if not user.active or await passwords.find(tx, user_id) != password_hash:
        raise _wrong()
    await passwords.require_unchanged(tx, user_id, password_hash)
    token = new_token(SESSION)
    expires_at = tx.now + timedelta(hours=SESSION_HOURS)
    await tokens.insert(
        tx,
        Token(
            id=tokens.digest(token),
            holder_type=ActorType.USER,
            holder_id=user.id,
            created_at=tx.now,
            expires_at=expires_at,
        ),
    )
    return Session(token, expires_at, user)


@mutation()
async def logout(change: MutationContext) -> bool:
    """End the session whose token was sent, and with the last session the presence that the user set itself."""
    tx = change.tx
    user_id = access.require_user(change.caller).id
    token_id = change.caller.token_id
    assert token_id is not None, "a signed-in caller came with a token"
    await tx.lock("user", user_id)
    before = await users.get(tx, user_id)
    left = [one for one in await tokens.list_by_holder(tx, user_id) if one.id != token_id]
    await tokens.delete(tx, user_id, digests=[token_id])
    after = presence.with_sessions(before, left, tx.now)
    if after.presence is not before.presence:
        after = msgspec.structs.replace(after, updated_at=tx.now)
    # The user is written even if it stays the same: a setPresence of this session at the same time then has to start
    # again, and finds that the session has ended.
    await users.update(tx, before, after, *presence.facts_between(before, after))
    return True
