"""Passwords: hashed with Argon2id, off the event loop, since one hash takes tens of milliseconds of a core."""

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import hash_secret_raw

from storage import passwords
from storage.errors import Invalid
from storage.transactions import Reader, Transaction

T = TypeVar("T")

#: The library's defaults are those of RFC 9106 for ordinary machines: 64 MiB, 3 passes, 4 lanes.
_HASHER = PasswordHasher()
#: Two at a time, so that a wave of people who sign in takes neither all memory nor all cores.
_THREADS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="passwords")
SHORTEST = 8
#: More says nothing more, and hashing it would be work for an attacker to hand out.
LONGEST = 256


async def save(tx: Transaction, user_id: str, password: str) -> None:
    """Keep the hash. Raises Invalid for a password that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(f"password must have {SHORTEST} to {LONGEST} characters.", key="password")
    await passwords.save(tx, user_id, await _in_thread(lambda: _HASHER.hash(password.encode("utf-8", "surrogatepass"))))


async def clear(tx: Transaction, user_id: str) -> None:
    """Leave the user without a password to sign in with."""
    await passwords.delete(tx, user_id)


async def verify(reader: Reader, user_id: str | None, password: str) -> str | None:
    """The hash that was kept, when it is of this password, which is the user's then; None otherwise.

    Takes as long when there is no such user, so that nobody can find out.
    """
    kept = None if user_id is None else await passwords.find(reader, user_id)
    given = password[: LONGEST + 1].encode("utf-8", "surrogatepass")
    right = await _in_thread(lambda: _matches(kept or _NOBODY, given))
    return kept if right else None


async def fingerprint(password: str, *, salt: str) -> str:
    """What is the same for the same password and salt, and as slow to guess as what is kept to sign in with."""
    secret = password[: LONGEST + 1].encode("utf-8", "surrogatepass")
    hashed = partial(
        hash_secret_raw,
        secret,
        hashlib.sha256(salt.encode("utf-8", "surrogatepass")).digest(),
        time_cost=_HASHER.time_cost,
        memory_cost=_HASHER.memory_cost,
        parallelism=_HASHER.parallelism,
        hash_len=_HASHER.hash_len,
        type=_HASHER.type,
    )
    return (await _in_thread(hashed)).hex()


async def require_unchanged(tx: Transaction, user_id: str, password_hash: str) -> None:
    """See to it that this change does not come true beside one of the password, whichever is quicker."""
    await passwords.hold(tx, user_id, password_hash)


async def _in_thread(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)


def _matches(kept: str, password: bytes) -> bool:
    try:
        return _HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False


#: The hash of a password that nobody knows: it was random and was thrown away.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$c3dpdGNoYm9hcmQuLi4uLg$0000000000000000000000000000000000000000000"
