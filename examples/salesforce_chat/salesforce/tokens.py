"""Access tokens: how to get them, and when they end."""

import time
from dataclasses import dataclass, field
from typing import Self

import jwt

#: How long an identity token is valid. It is used once, at once.
IDENTITY_SECONDS = 300
#: A token is replaced so long before its end, or in the last fifth of its time if that is shorter.
RENEWAL_SECONDS, RENEWAL_SHARE = 60.0, 0.2


@dataclass(frozen=True, slots=True)
class AccessToken:
    value: str = field(repr=False)
    #: When to use another one, a while before its end, in seconds since 1970.
    renew_at: float
    #: The position of the event stream when the token was issued.
    last_event_id: str

    @classmethod
    def read(cls, value: str, last_event_id: str) -> Self:
        """The token with this value. Its signature is not checked, because only Salesforce relies on it.

        Raises ValueError.
        """
        try:
            claims = jwt.decode(value, options={"verify_signature": False})
            ends, starts = float(claims["exp"]), float(claims.get("iat", 0))
        except (jwt.PyJWTError, KeyError, TypeError) as error:
            raise ValueError(f"not an access token: {error!r}") from error
        return cls(value, ends - min(RENEWAL_SECONDS, RENEWAL_SHARE * (ends - starts)), last_event_id)


@dataclass(frozen=True, slots=True)
class IdentityKey:
    """The key that signs identity tokens: the private key, and how Salesforce finds the public key."""

    private_key: str = field(repr=False)
    key_id: str
    issuer: str

    def sign(self, subject: str) -> str:
        """An identity token of this end user."""
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": subject, "iat": now, "exp": now + IDENTITY_SECONDS}
        return jwt.encode(claims, self.private_key, algorithm="RS256", headers={"kid": self.key_id})
