"""Passwords: hashed with Argon2id in threads, because one hash takes tens of milliseconds of a core."""

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
#: Bounds the work of a hash. More characters add no security.
MAX_CHARACTERS = 256
#: The limit before normalization, which can combine up to four characters into one.
_MAX_INPUT_CHARACTERS = 4 * MAX_CHARACTERS


async def save(tx: Transaction, queue: HashQueue, user_id: str, password: str) -> None:
    """Store the hash. Raises Invalid for a password that is too short or too long."""
    normalised = _normalised(password)
    if len(password) > _MAX_INPUT_CHARACTERS or not MIN_CHARACTERS <= len(normalised) <= MAX_CHARACTERS:
        raise Invalid(f"password must have {MIN_CHARACTERS} to {MAX_CHARACTERS} characters.", key="password")
    await passwords.save(tx, user_id, await queue.run(Lane.CALLER, lambda: _HASHER.hash(_encoded(normalised))))


async def clear(tx: Transaction, user_id: str) -> None:
    """Delete the user's password."""
    await passwords.delete(tx, user_id)


async def find(reader: Reader, user_id: str) -> str | None:
    """The stored hash of a user's password."""
    return await passwords.find(reader, user_id)


async def verify(queue: HashQueue, lane: Lane, password_hash: str | None, password: str) -> bool:
    """Whether the hash is that of this password.

    Takes the same time without a hash, so that the time does not show whether a user has a password.
    """
    # Older versions hashed passwords without normalization.
    forms = dict.fromkeys((_encoded(_normalised(password)), _encoded(password)))
    return await queue.run(lane, lambda: any(_matches(password_hash or _DUMMY_HASH, form) for form in forms))


async def fingerprint(queue: HashQueue, password: str, *, salt: str) -> str:
    """A hash of the password and the salt, as slow to attack as the stored one. Equal input gives an equal hash."""
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
    """Make this transaction conflict with a concurrent change of the password."""
    await passwords.lock(tx, user_id, password_hash)


def _normalised(password: str) -> str:
    return unicodedata.normalize("NFKC", password[: _MAX_INPUT_CHARACTERS + 1])


def _encoded(password: str) -> bytes:
    return password[: MAX_CHARACTERS + 1].encode("utf-8", "surrogatepass")


def _matches(password_hash: str, password: bytes) -> bool:
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


#: The hash of a random password that was discarded.
_DUMMY_HASH = "$argon2id$v=19$m=65536,t=3,p=4$c3dpdGNoYm9hcmQuLi4uLg$0000000000000000000000000000000000000000000"
