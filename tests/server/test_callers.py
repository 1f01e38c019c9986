"""What a process remembers of the apps that send it requests, and when it forgets."""

import asyncio

import pytest
from typing_extensions import override

from resolvers.access import Caller
from server import drains
from server.callers import KEPT_CALLERS, Callers
from server.drains import Drain
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
    callers = Callers(grants, Drain())  # type: ignore[arg-type]

    seen = [await callers.caller("t") for _ in range(3)]

    assert seen == [APP, APP, APP]
    assert grants.holds == 1


@pytest.mark.parametrize("caller", [USER, NOBODY])
async def test_nobody_else_is_remembered(caller: Caller) -> None:
    grants = Asked(caller)
    callers = Callers(grants, Drain())  # type: ignore[arg-type]

    seen = [await callers.caller("t") for _ in range(2)]

    assert seen == [caller, caller]
    assert grants.holds == 2
    assert grants.held == set()


async def test_what_ended_is_asked_for_again() -> None:
    grants = Asked(APP)
    callers = Callers(grants, Drain())  # type: ignore[arg-type]
    await callers.caller("t")

    callers.forget("t")
    grants.caller = NOBODY

    assert await callers.caller("t") == NOBODY
    assert grants.held == set()


async def test_no_more_apps_are_remembered_than_fit() -> None:
    grants = Asked(APP)
    callers = Callers(grants, Drain())  # type: ignore[arg-type]

    for number in range(KEPT_CALLERS + 10):
        await callers.caller(f"t{number}")

    assert len(grants.held) == KEPT_CALLERS


class Silent(Asked):
    """Grants that a database which is away keeps from answering."""

    @override
    async def hold(self, token_id: str, holder: object) -> Caller:
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_server_that_stops_does_not_wait_for_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drains, "DRAIN_SECONDS", 0.01)
    drain = Drain()
    callers = Callers(Silent(APP), drain)  # type: ignore[arg-type]
    asking = asyncio.create_task(callers.caller("t"))
    await asyncio.sleep(0)

    drain.begin()

    async with asyncio.timeout(2):
        with pytest.raises(Unavailable):
            await asking
