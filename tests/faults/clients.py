"""A client of the API over HTTP."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Self

import httpx

from tests.processes import ADMIN_TOKEN

ROOM = "room { id status revision servedBy { id } }"


class Refused(Exception):
    """The API answered with an error. It has the extensions of the error."""

    def __init__(self, extensions: Mapping[str, Any]) -> None:
        super().__init__(str(extensions))
        self.extensions = extensions


class Client:
    """Sends each operation to the next of several servers, as a load balancer would."""

    def __init__(self, urls: Sequence[str], token: str = ADMIN_TOKEN) -> None:
        # Idle connections are closed well before the server closes them.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=20)
        self._http = httpx.AsyncClient(limits=limits, timeout=60, headers={"authorization": f"Bearer {token}"})
        self.urls = list(urls)
        self._requests = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def send(self, query: str, *, at: int | None = None, bearer: str | None = None, **variables: Any) -> Any:
        """The data of the answer. Raises Refused. `at` is the index of a server."""
        if at is None:
            self._requests += 1
            at = self._requests
        headers = {} if bearer is None else {"authorization": f"Bearer {bearer}"}
        body = {"query": query, "variables": variables}
        answer = (await self._http.post(self.urls[at % len(self.urls)], json=body, headers=headers)).json()
        if "errors" in answer:
            raise Refused(answer["errors"][0].get("extensions", answer["errors"][0]))
        return answer["data"]

    async def mutate(
        self, name: str, selection: str, /, *, at: int | None = None, bearer: str | None = None, **fields: Any
    ) -> Any:
        """The payload of a mutation."""
        kind = f"{name[0].upper()}{name[1:]}Input!"
        query = f"mutation ($input: {kind}) {{ {name}(input: $input) {{ {selection} }} }}"
        return (await self.send(query, at=at, bearer=bearer, input=fields))[name]

    # ---------------------------------------------------------------- entities

    async def agent(self, username: str, *, max_rooms: int | None = None, **fields: Any) -> str:
        """The id of a new agent that is ONLINE."""
        user = await self.mutate("createUser", "user { id }", username=username, **fields)
        user_id: str = user["user"]["id"]
        await self.mutate("setPresence", "user { id }", userId=user_id, presence="ONLINE")
        added = await self.mutate("addAgent", "agent { id }", userId=user_id, maxRooms=max_rooms)
        return str(added["agent"]["id"])

    async def visitor(self, token: str) -> str:
        await self.mutate("saveVisitor", "visitor { id }", token=token)
        return token

    async def start(self, visitor: str, **fields: Any) -> Any:
        return (await self.mutate("startRoom", ROOM, visitorToken=visitor, **fields))["room"]


async def gather(*calls: Any) -> list[Any]:
    """The results or exceptions of all calls, which run concurrently."""
    return await asyncio.gather(*calls, return_exceptions=True)
