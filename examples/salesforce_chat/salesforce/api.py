"""The REST calls of the Enhanced Chat API."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from httpx_sse import EventSource, aconnect_sse

from examples.salesforce_chat.salesforce.entries import JSON, Entry, parse_listed
from examples.salesforce_chat.salesforce.errors import (
    NoSession,
    NotParticipant,
    Rejected,
    SalesforceError,
    TokenRefused,
    TooManyRequests,
    Unreachable,
)
from examples.salesforce_chat.salesforce.tokens import AccessToken, IdentityKey

PREFIX = "/iamessage/api/v2"
#: The most that the list of entries gives at once.
PAGE = 50
CALL_SECONDS = 30.0
#: The longest that a response may make the app wait.
MOST_RETRY_AFTER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """An Embedded Service deployment of the type Custom Client."""

    url: str
    org_id: str
    developer_name: str


class SalesforceApi:
    """One client of one deployment. Every call raises a SalesforceError if it fails."""

    def __init__(self, deployment: Deployment, identity_key: IdentityKey | None, silence_seconds: float) -> None:
        self.deployment = deployment
        self.verified = identity_key is not None
        self._identity_key = identity_key
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        self._http = httpx.AsyncClient(
            base_url=deployment.url,
            timeout=CALL_SECONDS,
            limits=limits,
            trust_env=False,
            # Loading the certificates takes a while. A stand-in on this machine has none.
            verify=deployment.url.startswith("https://"),
        )
        self._stream_timeout = httpx.Timeout(CALL_SECONDS, read=silence_seconds)

    async def aclose(self) -> None:
        await self._http.aclose()

    # ------------------------------------------------------------ tokens

    async def get_token(self, subject: str) -> AccessToken:
        """A new token. With an identity key it is one of this subject, else one of a new guest."""
        body = {
            "orgId": self.deployment.org_id,
            "esDeveloperName": self.deployment.developer_name,
            "capabilitiesVersion": "1",
            "platform": "Web",
            "context": {"appName": "switchboard", "clientVersion": "1"},
        }
        kind = "unauthenticated"
        if self._identity_key is not None:
            kind = "authenticated"
            body |= {"authorizationType": "JWT", "customerIdentityToken": self._identity_key.sign(subject)}
        reply = await self._call("POST", f"/authorization/{kind}/access-token", None, json=body)
        try:
            return AccessToken.read(reply["accessToken"], reply.get("lastEventId") or "")
        except (KeyError, ValueError) as error:
            raise Unreachable(f"the reply has no access token: {error!r}") from error

    async def revoke(self, token: str) -> None:
        """End a verified token."""
        await self._call("DELETE", "/authorization/authenticated/access-token", token)

    # ------------------------------------------------------------ conversations

    async def create_conversation(self, token: str, conversation_id: str, attributes: dict[str, str]) -> None:
        """Create a conversation, or do nothing if it exists."""
        body = {
            "conversationId": conversation_id,
            "esDeveloperName": self.deployment.developer_name,
            "routingAttributes": attributes,
        }
        await self._call("POST", "/conversation", token, json=body)

    async def routing_status(self, token: str, conversation_id: str) -> str:
        """INITIAL, NEEDS_ROUTING, ROUTED or TRANSFER."""
        reply = await self._call("GET", f"/conversation/{conversation_id}", token)
        return str(reply.get("routingStatus"))

    async def is_open(self, token: str, conversation_id: str) -> bool:
        """Whether the list of the subject's open conversations has this one."""
        query = {"inclClosedConvs": "false", "limit": str(PAGE)}
        reply = await self._call("GET", "/conversation/list", token, params=query)
        return any(one["conversationId"] == conversation_id for one in reply["conversations"])

    async def send(
        self, token: str, conversation_id: str, message_id: str, text: str, new_session: dict[str, str] | None = None
    ) -> None:
        """Send a message. `new_session`: start a session with these attributes, after NoSession."""
        body: JSON = {
            "message": {
                "id": message_id,
                "messageType": "StaticContentMessage",
                "staticContent": {"formatType": "Text", "text": text},
            },
            "esDeveloperName": self.deployment.developer_name,
        }
        if new_session is not None:
            body |= {"isNewMessagingSession": True, "routingAttributes": new_session}
        await self._call("POST", f"/conversation/{conversation_id}/message", token, json=body)

    async def set_typing(self, token: str, conversation_id: str, *, started: bool) -> None:
        entry_type = "TypingStartedIndicator" if started else "TypingStoppedIndicator"
        body = {"entryType": entry_type, "id": str(uuid.uuid4())}
        await self._call("POST", f"/conversation/{conversation_id}/entry", token, json=body)

    async def acknowledge(self, token: str, conversation_id: str, entry_id: str, kind: str) -> None:
        """Say that an entry was delivered or read (`Delivery`, `Read`)."""
        ack = {"id": str(uuid.uuid4()), "entryType": kind, "conversationEntryId": entry_id}
        await self._call("POST", f"/conversation/{conversation_id}/acknowledge-entries", token, json={"acks": [ack]})

    async def close_conversation(self, token: str, conversation_id: str) -> None:
        """End the session and close the conversation for ever."""
        query = {"esDeveloperName": self.deployment.developer_name}
        await self._call("DELETE", f"/conversation/{conversation_id}", token, params=query)

    # ------------------------------------------------------------ entries and events

    async def list_entries(
        self,
        token: str,
        conversation_id: str,
        *,
        start: int | None = None,
        end: int | None = None,
        newest: bool = False,
    ) -> list[Entry]:
        """At most PAGE entries between two moments (milliseconds, included), the first or the newest of them.

        They are in the order of their moments.
        """
        query = {"limit": str(PAGE), "direction": "FromEnd" if newest else "FromStart"}
        query |= {} if start is None else {"startTimestamp": str(start)}
        query |= {} if end is None else {"endTimestamp": str(end)}
        reply = await self._call("GET", f"/conversation/{conversation_id}/entries", token, params=query)
        try:
            found = reversed(reply["conversationEntries"]) if newest else reply["conversationEntries"]
            ordered = sorted(found, key=lambda entry: int(entry["transcriptedTimestamp"]))
            return [one for entry in ordered for one in parse_listed(conversation_id, entry)]
        except (KeyError, TypeError, ValueError) as error:
            raise Unreachable(f"unknown shape of the list of entries: {error!r}") from error

    @asynccontextmanager
    async def open_stream(self, token: str, last_event_id: str) -> AsyncIterator[EventSource]:
        """The event stream of the token's subject, after this event. The organization's id has 15 characters here."""
        headers = {
            "Authorization": f"Bearer {token}",
            "X-Org-Id": self.deployment.org_id[:15],
            "Last-Event-Id": last_event_id,
        }
        try:
            async with aconnect_sse(
                self._http, "GET", "/eventrouter/v1/sse", headers=headers, timeout=self._stream_timeout
            ) as source:
                if source.response.status_code != 200:
                    await source.response.aread()
                    raise _failure(source.response)
                yield source
        except httpx.HTTPError as error:
            raise Unreachable(f"the event stream ended: {error!r}") from error

    # ------------------------------------------------------------ calls

    async def _call(self, method: str, path: str, token: str | None, **request: Any) -> JSON:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            response = await self._http.request(method, PREFIX + path, headers=headers, **request)
        except httpx.HTTPError as error:
            raise Unreachable(f"{method} {path}: {error!r}") from error
        if not response.is_success:
            raise _failure(response)
        try:
            reply = response.json() if response.content else {}
        except ValueError as error:
            raise Unreachable(f"{method} {path}: the response is not JSON") from error
        return reply if isinstance(reply, dict) else {}


def _failure(response: httpx.Response) -> SalesforceError:
    """The error that a response stands for."""
    try:
        said = str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        said = response.text[:200]
    text = f"{response.request.method} {response.request.url.path}: {response.status_code} {said}"
    match response.status_code:
        case 401:
            return TokenRefused(text)
        case 403 | 404:
            return NotParticipant(text)
        case 417:
            return NoSession(text)
        case 429:
            after = response.headers.get("retry-after", "")
            return TooManyRequests(text, min(float(after), MOST_RETRY_AFTER_SECONDS) if after.isdecimal() else None)
        case status if status >= 500 or status == 408:
            return Unreachable(text)
    return Rejected(text)
