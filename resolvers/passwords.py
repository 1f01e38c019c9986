"""Passwords: hashed with Argon2id, off the event loop, since one hash takes tens of milliseconds of a core."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from storage import passwords
from storage.errors import Invalid
from storage.transactions import Reader, Transaction

#: The library's defaults are those of RFC 9106 for ordinary machines: 64 MiB, 3 passes, 4 lanes.
_HASHER = PasswordHasher()
SHORTEST = 8
#: More says nothing more, and hashing it would be work for an attacker to hand out.
LONGEST = 256


async def save(tx: Transaction, user_id: str, password: str) -> None:
    """Keep the hash. Raises Invalid for a password that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(f"password must have {SHORTEST} to {LONGEST} characters.", key="password")
    await passwords.save(tx, user_id, await asyncio.to_thread(_HASHER.hash, password))


async def verify(reader: Reader, user_id: str | None, password: str) -> bool:
    """Whether it is the user's password. Takes as long when there is no such user, so that nobody can find out."""
    kept = None if user_id is None else await passwords.find(reader, user_id)
    right = await asyncio.to_thread(_matches, kept or _NOBODY, password[: LONGEST + 1])
    return right and kept is not None


def _matches(kept: str, password: str) -> bool:
    try:
        return _HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


#: The hash of a password that nobody knows: it was random and was thrown away.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$c3dpdGNoYm9hcmQtbm8tb25l$0000000000000000000000000000000000000000000"
