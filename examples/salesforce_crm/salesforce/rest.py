"""Requests to Salesforce's REST API.

Every request may be repeated: reads change nothing, and all writes of the bridge have external ids or absolute values.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote as quote_url

import httpx

from examples.salesforce_crm.salesforce.errors import (
    JSON,
    LimitReached,
    Refused,
    SignInRefused,
    Unavailable,
    refusal_from,
)
from examples.salesforce_crm.salesforce.limits import ApiUsage
from examples.salesforce_crm.salesforce.session import Sessions

logger = logging.getLogger(__name__)

#: Attempts before a request is left to the retries of the event.
ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.5
#: How often the usage is read while the limit of API requests is reached.
POLL_SECONDS = 300.0
ALLOW_DUPLICATES = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}


@dataclass(frozen=True, slots=True)
class Node:
    """A request of a graph. `path` begins at the version: sobjects/Case/500..."""

    reference: str
    method: str
    path: str
    body: Mapping[str, object]


class Salesforce:
    """The REST API of one org."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        sessions: Sessions,
        usage: ApiUsage,
        *,
        version: str,
        pause_seconds: float = FIRST_PAUSE_SECONDS,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._http = http
        self._sessions = sessions
        self._usage = usage
        self._base = f"/services/data/v{version}/"
        self._pause_seconds = pause_seconds
        self._poll_seconds = poll_seconds
        self._waiting = asyncio.Lock()

    async def query(self, soql: str) -> list[JSON]:
        """The records of a query that selects few. Raises SalesforceError."""
        answer = await self._send("GET", "query", params={"q": soql})
        records: list[JSON] = answer["records"]
        return records

    async def find_id(self, name: str, key: str, value: str) -> str | None:
        """The id of the record with this external id. Raises SalesforceError."""
        try:
            answer = await self._send("GET", _keyed(name, key, value), params={"fields": "Id"})
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        return str(answer["Id"])

    async def create(self, name: str, values: Mapping[str, object]) -> str:
        """Create a record, and return its id. Raises SalesforceError."""
        return str((await self._send("POST", f"sobjects/{name}", json=values))["id"])

    async def update(self, name: str, record_id: str, values: Mapping[str, object]) -> None:
        """Change fields of a record. Raises SalesforceError."""
        await self._send("PATCH", f"sobjects/{name}/{record_id}", json=values)

    async def upsert(
        self, name: str, key: str, value: str, values: Mapping[str, object], *, allow_duplicates: bool = False
    ) -> str:
        """Create or change the record with this external id, and return its id. Raises SalesforceError."""
        headers = ALLOW_DUPLICATES if allow_duplicates else {}
        answer = await self._send("PATCH", _keyed(name, key, value), json=values, headers=headers)
        if answer is None:  # 204: some versions answer a change without a body
            found = await self.find_id(name, key, value)
            if found is None:
                raise Unavailable(f"{name} with {key} {value} was deleted while it was saved")
            return found
        return str(answer["id"])

    async def graph(self, graph_id: str, nodes: Sequence[Node]) -> None:
        """Run requests of which all have their effect, or none. Raises Refused with the fault of the first failure."""
        requests = [
            {"method": node.method, "url": self._base + node.path, "referenceId": node.reference, "body": node.body}
            for node in nodes
        ]
        body = {"graphs": [{"graphId": graph_id, "compositeRequest": requests}]}
        await self._send("POST", "composite/graph", json=body)

    async def _send(self, method: str, path: str, **options: Any) -> Any:
        """Send a request when the org has API requests left. Returns the JSON of the response."""
        while True:
            await self._wait_for_requests()
            try:
                return await self._send_with_retries(method, path, **options)
            except LimitReached as reached:
                logger.warning("%s. %s %s waits.", reached, method, path)

    async def _wait_for_requests(self) -> None:
        """Wait until the org has API requests left: requests of all programs count for 24 hours."""
        async with self._waiting:
            while self._usage.exhausted:
                await asyncio.sleep(self._poll_seconds)
                with contextlib.suppress(LimitReached, Unavailable):
                    await self._attempt("GET", "limits")

    async def _send_with_retries(self, method: str, path: str, **options: Any) -> Any:
        """Send a request, and repeat it while Salesforce cannot serve it."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._attempt(method, path, **options)
            except (Unavailable, Refused) as error:
                if isinstance(error, Refused) and not error.transient:
                    raise
                if attempt == ATTEMPTS:
                    raise Unavailable(f"{method} {path} failed {ATTEMPTS} times: {error}") from error
                logger.info("%s %s is repeated: %s", method, path, error)
                await asyncio.sleep(self._pause_seconds * 2 ** (attempt - 1) * random.uniform(0.5, 1))
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, method: str, path: str, **options: Any) -> Any:
        """Send a request once, or twice if the session expired."""
        session = await self._sessions.get()
        response = await self._request(session.instance_url, session.token, method, path, options)
        if response.status_code == 401:
            session = await self._sessions.get(expired=session)
            response = await self._request(session.instance_url, session.token, method, path, options)
            if response.status_code == 401:
                raise SignInRefused(f"A new session was refused: {response.text[:200]}")
        return self._read(response)

    async def _request(
        self, instance_url: str, token: str, method: str, path: str, options: Mapping[str, Any]
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", **options.get("headers", {})}
        try:
            response = await self._http.request(
                method,
                instance_url + self._base + path,
                params=options.get("params"),
                json=options.get("json"),
                headers=headers,
            )
        except httpx.HTTPError as error:
            raise Unavailable(f"{method} {path}: {error!r}") from None
        self._usage.record(response.headers.get("Sforce-Limit-Info"))
        return response

    def _read(self, response: httpx.Response) -> Any:
        try:
            body = response.json() if response.content else None
        except ValueError:
            raise Unavailable(f"The response {response.status_code} has no JSON: {response.text[:200]}") from None
        if response.status_code >= 300:
            refused = refusal_from(response.status_code, body)
            if refused.code == "REQUEST_LIMIT_EXCEEDED":
                self._usage.record_refusal()
                raise LimitReached(str(refused))
            raise refused
        for graph in body.get("graphs", ()) if isinstance(body, dict) else ():
            if not graph["isSuccessful"]:
                raise _first_failure(graph["graphResponse"]["compositeResponse"])
        return body


def _first_failure(responses: Sequence[JSON]) -> Refused:
    """The refusal that made a graph fail. The other nodes have the code PROCESSING_HALTED."""
    refusals = [refusal_from(one["httpStatusCode"], one["body"]) for one in responses if one["httpStatusCode"] >= 300]
    return next((refused for refused in refusals if refused.code != "PROCESSING_HALTED"), refusals[0])


def _keyed(name: str, key: str, value: str) -> str:
    return f"sobjects/{name}/{key}/{quote_url(value, safe='')}"
