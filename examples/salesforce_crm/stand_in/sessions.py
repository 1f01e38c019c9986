"""OAuth: the JWT bearer and client credentials flows, and the sessions that they start."""

import re
import secrets
import time
from dataclasses import dataclass, field

import jwt

from examples.salesforce_crm.stand_in.values import JSON

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: Salesforce refuses assertions that expire later than this.
MAX_ASSERTION_SECONDS = 300


class OAuthRefused(Exception):
    """The token endpoint refuses with this error, always with the status 400."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.body: JSON = {"error": error, "error_description": description}


@dataclass(slots=True)
class ConnectedApp:
    """The connected app of the org: its keys, and the users that an administrator authorised for it."""

    client_id: str
    client_secret: str
    certificate: str
    audiences: list[str]
    users: set[str] = field(default_factory=set)
    run_as: str | None = None


class Sessions:
    """Valid access tokens. A session ends by `expire_all`, as by the org's session timeout."""

    def __init__(self, app: ConnectedApp, org_id: str) -> None:
        self.app = app
        self.org_id = org_id
        self.started = 0
        self._users: dict[str, str] = {}

    def user_of(self, token: str) -> str | None:
        return self._users.get(token)

    def expire_all(self) -> None:
        self._users.clear()

    def grant(self, form: dict[str, str], instance_url: str) -> JSON:
        """What POST /services/oauth2/token answers. Raises OAuthRefused."""
        match form.get("grant_type"):
            case grant if grant == JWT_BEARER:
                user = self._user_of_assertion(form.get("assertion", ""))
            case "client_credentials":
                user = self._run_as(form)
            case _:
                raise OAuthRefused("unsupported_grant_type", "grant type not supported")
        token = f"{self.org_id[:15]}!{secrets.token_urlsafe(48)}"
        self._users[token] = user
        self.started += 1
        return {
            "access_token": token,
            "scope": "api",
            "instance_url": instance_url,
            "id": f"https://login.salesforce.com/id/{self.org_id}/005000000000001AAA",
            "token_type": "Bearer",
        }

    def introspect(self, form: dict[str, str]) -> JSON:
        user = self._users.get(form.get("token", ""))
        if form.get("client_id") != self.app.client_id or form.get("client_secret") != self.app.client_secret:
            raise OAuthRefused("invalid_client", "invalid client credentials")
        return {"active": False} if user is None else {"active": True, "scope": "api", "username": user}

    def _user_of_assertion(self, assertion: str) -> str:
        try:
            claims = jwt.decode(
                assertion,
                self.app.certificate,
                algorithms=["RS256"],
                audience=self.app.audiences,
                options={"require": ["iss", "sub", "aud", "exp"], "verify_exp": False},
            )
        except jwt.InvalidAudienceError:
            raise OAuthRefused("invalid_grant", "audience is invalid") from None
        except jwt.PyJWTError:
            raise OAuthRefused("invalid_grant", "invalid assertion") from None
        if claims["iss"] != self.app.client_id:
            raise OAuthRefused("invalid_client_id", "client identifier invalid")
        self._check_expiry(claims["exp"])
        if claims["sub"] not in self.app.users:
            raise OAuthRefused("invalid_grant", "user hasn't approved this consumer")
        return str(claims["sub"])

    def _check_expiry(self, expires: object) -> None:
        """Salesforce takes `exp` as a number and as a text with digits."""
        if not re.fullmatch(r"\d{1,12}", str(expires)):
            raise OAuthRefused("invalid_grant", "invalid assertion")
        remaining = int(str(expires)) - time.time()
        if remaining <= 0:
            raise OAuthRefused("invalid_grant", "expired authorization code")
        if remaining > MAX_ASSERTION_SECONDS:
            raise OAuthRefused("invalid_grant", "assertion expires too late")

    def _run_as(self, form: dict[str, str]) -> str:
        if form.get("client_id") != self.app.client_id:
            raise OAuthRefused("invalid_client_id", "client identifier invalid")
        if form.get("client_secret") != self.app.client_secret:
            raise OAuthRefused("invalid_client", "invalid client credentials")
        if self.app.run_as is None:
            raise OAuthRefused("invalid_grant", "no client credentials user enabled")
        return self.app.run_as
