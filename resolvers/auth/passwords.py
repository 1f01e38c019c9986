"""Passwords: hashed with Argon2id, off the event loop, since one hash takes tens of milliseconds of a core."""

import hashlib
import unicodedata
from functools import partial

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import hash_secret_raw

from resolvers.auth.hash_queue import HashQueue, Lane
from storage import passwords
from storage.errors import Invalid
from storage.mongo.reader import Reader
from storage.transactions.transaction import Transaction

#: The library's defaults are those of RFC 9106 for ordinary machines: 64 MiB, 3 passes, 4 lanes.
_HASHER = PasswordHasher()
MIN_CHARACTERS = 8
#: More says nothing more, and hashing it would be work for an attacker to hand out.
MAX_CHARACTERS = 256
#: What is looked at of a password that was given: decomposed letters take up to four characters each.
_GIVEN = 4 * MAX_CHARACTERS


async def save(tx: Transaction, queue: HashQueue, user_id: str, password: str) -> None:
    """Keep the hash. Raises Invalid for a password that is too short or too long."""
    normalised = _normalised(password)
    if len(password) > _GIVEN or not MIN_CHARACTERS <= len(normalised) <= MAX_CHARACTERS:
        raise Invalid(f"password must have {MIN_CHARACTERS} to {MAX_CHARACTERS} characters.", key="password")
    await passwords.save(tx, user_id, await queue.run(Lane.CALLER, lambda: _HASHER.hash(_encoded(normalised))))


async def clear(tx: Transaction, user_id: str) -> None:
    """Leave the user without a password to sign in with."""
    await passwords.delete(tx, user_id)


async def find(reader: Reader, user_id: str) -> str | None:
    """The hash that is kept of a user's password."""
    return await passwords.find(reader, user_id)


async def verify(queue: HashQueue, lane: Lane, kept: str | None, password: str) -> bool:
    """Whether this is the password that was hashed.

    Takes as long when there is no hash, so that nobody can find out whether there is.
    """
    # Passwords that were hashed before they were normalised are right as they were given then.
    given = dict.fromkeys((_encoded(_normalised(password)), _encoded(password)))
    return await queue.run(lane, lambda: any(_matches(kept or _DUMMY_HASH, one) for one in given))


async def fingerprint(queue: HashQueue, password: str, *, salt: str) -> str:
    """What is the same for the same password and salt, and as slow to guess as what is kept to sign in with."""
    hashed = partial(
        hash_secret_raw,
        _encoded(_normalised(password)),
        hashlib.sha256(salt.encode("utf-8", "surrogatepass")).digest(),
        time_cost=_HASHER.time_cost,
        memory_cost=_HASHER.memory_cost,
        parallelism=_HASHER.parallelism,
        hash_len=_HASHER.hash_len,
        type=_HASHER.type,
    )
    return (await queue.run(Lane.CALLER, hashed)).hex()


async def require_unchanged(tx: Transaction, user_id: str, password_hash: str) -> None:
    """See to it that this change does not come true beside one of the password, whichever is quicker."""
    await passwords.lock(tx, user_id, password_hash)


def _normalised(password: str) -> str:
    return unicodedata.normalize("NFKC", password[: _GIVEN + 1])


def _encoded(password: str) -> bytes:
    return password[: MAX_CHARACTERS + 1].encode("utf-8", "surrogatepass")


def _matches(kept: str, password: bytes) -> bool:
    try:
        return _HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False


#: The hash of a password that nobody knows: it was random and was thrown away.
_DUMMY_HASH = "$argon2id$v=19$m=65536,t=3,p=4$c3dpdGNoYm9hcmQuLi4uLg$0000000000000000000000000000000000000000000"
