"""What a process remembers of the apps that send it requests, and when it forgets."""

import asyncio

import pytest
from typing_extensions import override

from resolvers.auth.access import Caller
from server import shutdown
from server.auth.caller_cache import MAX_CACHED_CALLERS, CallerCache
from server.shutdown import Shutdown
from storage.errors import Unavailable
from storage.records import Actor, ActorType

APP = Caller(Actor(type=ActorType.APP, id="a", name="bridge"))
USER = Caller(Actor(type=ActorType.USER, id="u", name="ann"))
NOBODY = Caller(actor=None)


class Asked:
    """Grants that count how often they are asked, and know what they are told to."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.holds = 0
        self.held: set[str] = set()

    async def hold(self, token_id: str, holder: object) -> Caller:
        self.holds += 1
        if self.caller.actor is not None:
            self.held.add(token_id)
        return self.caller

    async def current(self, token_id: str) -> Caller:
        return self.caller

    def release(self, token_id: str, holder: object) -> None:
        self.held.discard(token_id)


async def test_an_app_is_asked_for_once() -> None:
    grants = Asked(APP)
    callers = CallerCache(grants, Shutdown())  # type: ignore[arg-type]

    seen = [await callers.get("t") for _ in range(3)]

    assert seen == [APP, APP, APP]
    assert grants.holds == 1


@pytest.mark.parametrize("caller", [USER, NOBODY])
async def test_nobody_else_is_remembered(caller: Caller) -> None:
    grants = Asked(caller)
    callers = CallerCache(grants, Shutdown())  # type: ignore[arg-type]

    seen = [await callers.get("t") for _ in range(2)]

    assert seen == [caller, caller]
    assert grants.holds == 2
    assert grants.held == set()


async def test_what_ended_is_asked_for_again() -> None:
    grants = Asked(APP)
    callers = CallerCache(grants, Shutdown())  # type: ignore[arg-type]
    await callers.get("t")

    callers.forget("t")
    grants.caller = NOBODY

    assert await callers.get("t") == NOBODY
    assert grants.held == set()


async def test_no_more_apps_are_remembered_than_fit() -> None:
    grants = Asked(APP)
    callers = CallerCache(grants, Shutdown())  # type: ignore[arg-type]

    for number in range(MAX_CACHED_CALLERS + 10):
        await callers.get(f"t{number}")

    assert len(grants.held) == MAX_CACHED_CALLERS


class Silent(Asked):
    """Grants that a database which is away keeps from answering."""

    @override
    async def hold(self, token_id: str, holder: object) -> Caller:
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_server_that_stops_does_not_wait_for_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutdown, "SHUTDOWN_SECONDS", 0.01)
    drain = Shutdown()
    callers = CallerCache(Silent(APP), drain)  # type: ignore[arg-type]
    asking = asyncio.create_task(callers.get("t"))
    await asyncio.sleep(0)

    drain.start()

    async with asyncio.timeout(2):
        with pytest.raises(Unavailable):
            await asking
