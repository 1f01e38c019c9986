"""Sign-in by the OAuth 2.0 JWT bearer flow, and the session that all requests share."""

import asyncio
import time
from dataclasses import dataclass, field

import httpx
import jwt

from examples.salesforce_crm.salesforce.errors import SignInRefused, Unavailable

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: How long an assertion is valid. Salesforce refuses more than five minutes.
ASSERTION_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Credentials:
    """A connected app that an administrator approved for a user."""

    login_url: str
    audience: str
    client_id: str
    username: str
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """A session of the org. Salesforce does not say when it ends."""

    token: str = field(repr=False)
    instance_url: str


class Sessions:
    """The current session. Concurrent requests share one sign-in."""

    def __init__(self, http: httpx.AsyncClient, credentials: Credentials) -> None:
        self._http = http
        self._credentials = credentials
        self._lock = asyncio.Lock()
        self._session: Session | None = None

    async def get(self, *, expired: Session | None = None) -> Session:
        """The current session, or a new one if there is none or if it is the expired one.

        Raises SignInRefused and Unavailable.
        """
        async with self._lock:
            if self._session is None or self._session is expired:
                self._session = await self._sign_in()
            return self._session

    async def _sign_in(self) -> Session:
        credentials = self._credentials
        claims = {
            "iss": credentials.client_id,
            "sub": credentials.username,
            "aud": credentials.audience,
            "exp": int(time.time()) + ASSERTION_SECONDS,
        }
        assertion = jwt.encode(claims, credentials.private_key, algorithm="RS256")
        form = {"grant_type": GRANT_TYPE, "assertion": assertion}
        try:
            response = await self._http.post(f"{credentials.login_url}/services/oauth2/token", data=form)
        except httpx.HTTPError as error:
            raise Unavailable(f"The sign-in at {credentials.login_url} failed: {error!r}") from None
        if response.status_code >= 500 or response.status_code == 429:
            raise Unavailable(f"The sign-in at {credentials.login_url} answered {response.status_code}")
        try:
            body = response.json()
            if response.status_code == 200:
                return Session(body["access_token"], body["instance_url"].rstrip("/"))
            raise SignInRefused(f"{body['error']}: {body.get('error_description', '')}")
        except (ValueError, KeyError, TypeError):
            raise SignInRefused(f"{credentials.login_url} answered {response.status_code} without a session") from None
