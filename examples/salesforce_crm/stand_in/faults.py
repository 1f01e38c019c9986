"""Failures that a test or a demo asks for, and the requests that came."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from examples.salesforce_crm.stand_in.rows import Request, Response

Matcher = Callable[[Request], bool]


@dataclass(slots=True, eq=False)
class Pause:
    """Holds one request: before it has an effect, or after it, before its response is sent."""

    matches: Matcher
    when: str
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class _Failure:
    matches: Matcher
    response: Response
    remaining: int


class Faults:
    """The failures to come, and the limit of requests."""

    def __init__(self) -> None:
        #: Requests with a valid session, oldest first.
        self.requests: list[Request] = []
        self.used = 0
        self.limit = 15_000
        self._failures: list[_Failure] = []
        self._pauses: list[Pause] = []

    def fail(self, response: Response, *, matches: Matcher = lambda _: True, times: int = 1) -> None:
        """Answer the next matching requests with this response. They have no effect."""
        self._failures.append(_Failure(matches, response, times))

    def pause(self, when: str, *, matches: Matcher = lambda _: True) -> Pause:
        """Hold the next matching request `before` or `after` its effect, until it is released."""
        pause = Pause(matches, when)
        self._pauses.append(pause)
        return pause

    def take_failure(self, request: Request) -> Response | None:
        for failure in self._failures:
            if failure.remaining and failure.matches(request):
                failure.remaining -= 1
                return failure.response
        return None

    async def hold(self, request: Request, when: str) -> None:
        """Wait while a pause holds this request."""
        for pause in self._pauses:
            if pause.when == when and pause.matches(request):
                self._pauses.remove(pause)
                pause.reached.set()
                await pause.released.wait()
                return
