"""Access tokens of the stand-in: issued, checked, expired, revoked."""

import time
import uuid
from dataclasses import dataclass

import jwt

from examples.salesforce_chat.stand_in.errors import Refusal
from examples.salesforce_chat.stand_in.store import Store

_SECRET = "the-secret-of-the-stand-in-which-signs-its-tokens"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token is for."""

    subject: str
    expires_at: int
    verified: bool


class Tokens:
    def __init__(
        self, store: Store, guest_seconds: float, verified_seconds: float, public_key: str, issuer: str
    ) -> None:
        self._store = store
        self._guest_seconds = guest_seconds
        self._verified_seconds = verified_seconds
        self._public_key = public_key
        self._issuer = issuer

    def guest(self) -> str:
        """A token of a new subject."""
        return _sign(f"guest:{uuid.uuid4()}", int(time.time() + self._guest_seconds), verified=False)

    def verified(self, identity_token: str) -> str:
        """A token of the subject that an identity token names. Raises Refusal (401)."""
        try:
            claims = jwt.decode(
                identity_token,
                self._public_key,
                algorithms=["RS256"],
                issuer=self._issuer,
                options={"require": ["exp", "iss", "sub", "iat"], "verify_aud": False},
            )
            if "kid" not in jwt.get_unverified_header(identity_token):
                raise Refusal(401, "The identity token has no kid.")
        except (jwt.PyJWTError, ValueError) as error:
            raise Refusal(401, f"Invalid customerIdentityToken: {error}") from None
        return _sign(f"user:{claims['sub']}", int(time.time() + self._verified_seconds), verified=True)

    def continued(self, identity: Identity) -> str:
        """Another token of the same subject, which ends at the same time."""
        return _sign(identity.subject, identity.expires_at, verified=identity.verified)

    def check(self, authorization: str) -> Identity:
        """Raises Refusal (401)."""
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer":
            raise Refusal(401, "No bearer token.")
        try:
            claims = jwt.decode(token, _SECRET, algorithms=["HS256"])
        except jwt.ExpiredSignatureError:
            raise Refusal(401, "Jwt is expired") from None
        except jwt.PyJWTError:
            raise Refusal(401, "Jwt is not valid") from None
        if claims["issued"] <= self._store.fact("expired_until", 0) or claims["jti"] in self._store.fact("revoked", []):
            raise Refusal(401, "Jwt is expired")
        return Identity(claims["sub"], claims["exp"], claims["verified"])

    def revoke(self, authorization: str) -> None:
        """End the token of this header. Raises Refusal (401)."""
        self.check(authorization)
        claims = jwt.decode(authorization.partition(" ")[2], _SECRET, algorithms=["HS256"])
        self._store.set_fact("revoked", [*self._store.fact("revoked", []), claims["jti"]])

    def expire_all(self) -> None:
        """Let all tokens that were issued until now be expired."""
        self._store.set_fact("expired_until", time.time_ns())


def _sign(subject: str, expires_at: int, *, verified: bool) -> str:
    return jwt.encode(
        {
            "iss": "iamessage",
            "sub": subject,
            "exp": expires_at,
            "iat": int(time.time()),
            "issued": time.time_ns(),
            "jti": str(uuid.uuid4()),
            "verified": verified,
        },
        _SECRET,
        algorithm="HS256",
    )
