"""The client of the outside system that decides who serves a case.

`POST /decisions` with `{"case": ..., "roomId": ..., "attempt": ...}` is answered with the person, or with 404 if the
case is not one of the system. The question changes nothing there, so that it can be repeated.
"""

import httpx
import msgspec

TIMEOUT_SECONDS = 10.0


class Person(msgspec.Struct, frozen=True, rename="camel"):
    """Who serves a case. `external_id` never changes, and identifies the person also in Switchboard."""

    external_id: str
    name: str
    username: str


class OutsideSystemFailed(Exception):
    """The outside system gave no decision. The question is asked again."""


class OutsideSystem:
    """Asks the outside system at this address."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=TIMEOUT_SECONDS, trust_env=False
        )

    async def who_serves(self, case: str, *, room_id: str, attempt: int) -> Person | None:
        """The person, or None if the case is not one of the system. Raises OutsideSystemFailed."""
        try:
            answer = await self._http.post("/decisions", json={"case": case, "roomId": room_id, "attempt": attempt})
        except httpx.TransportError as error:
            raise OutsideSystemFailed(f"The outside system does not answer: {error!r}") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if answer.status_code != httpx.codes.OK:
            raise OutsideSystemFailed(f"The outside system answers {answer.status_code}: {answer.text[:200]}")
        try:
            return msgspec.json.decode(answer.content, type=Person)
        except msgspec.DecodeError as error:
            raise OutsideSystemFailed(f"The outside system sends no person: {error}") from error

    async def close(self) -> None:
        await self._http.aclose()
