"""The cache of callers: which callers it keeps, and when it evicts them."""

import asyncio

import pytest
from typing_extensions import override

from resolvers.auth.access import Caller
from server.auth.caller_cache import MAX_CACHED_CALLERS, CallerCache
from server.shutdown import Shutdown
from storage.errors import Unavailable
from storage.records import Actor, ActorType

APP = Caller(Actor(type=ActorType.APP, id="a", name="bridge"))
USER = Caller(Actor(type=ActorType.USER, id="u", name="ann"))
NOBODY = Caller(actor=None)


class FakeRevocation:
    """A TokenRevocation with one caller for all tokens, which counts registrations."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.registrations = 0
        self.registered: set[str] = set()

    async def register(self, token_id: str, revocable: object) -> Caller:
        self.registrations += 1
        if self.caller.actor is not None:
            self.registered.add(token_id)
        return self.caller

    def loaded_caller(self, token_id: str) -> Caller | None:
        return self.caller

    async def current_caller(self, token_id: str) -> Caller:
        return self.caller

    def unregister(self, token_id: str, revocable: object) -> None:
        self.registered.discard(token_id)


async def test_an_app_is_looked_up_once() -> None:
    revocation = FakeRevocation(APP)
    callers = CallerCache(revocation, Shutdown())  # type: ignore[arg-type]

    found = [await callers.get("t") for _ in range(3)]

    assert found == [APP, APP, APP]
    assert revocation.registrations == 1


@pytest.mark.parametrize("caller", [USER, NOBODY])
async def test_other_callers_are_not_cached(caller: Caller) -> None:
    revocation = FakeRevocation(caller)
    callers = CallerCache(revocation, Shutdown())  # type: ignore[arg-type]

    found = [await callers.get("t") for _ in range(2)]

    assert found == [caller, caller]
    assert revocation.registrations == 2
    assert revocation.registered == set()


async def test_an_evicted_token_is_looked_up_again() -> None:
    revocation = FakeRevocation(APP)
    callers = CallerCache(revocation, Shutdown())  # type: ignore[arg-type]
    await callers.get("t")

    callers.evict("t")
    revocation.caller = NOBODY

    assert await callers.get("t") == NOBODY
    assert revocation.registered == set()


async def test_the_number_of_cached_apps_is_limited() -> None:
    revocation = FakeRevocation(APP)
    callers = CallerCache(revocation, Shutdown())  # type: ignore[arg-type]

    for number in range(MAX_CACHED_CALLERS + 10):
        await callers.get(f"t{number}")

    assert len(revocation.registered) == MAX_CACHED_CALLERS


class HangingRevocation(FakeRevocation):
    """A TokenRevocation whose database does not answer."""

    @override
    async def register(self, token_id: str, revocable: object) -> Caller:
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_shutdown_does_not_wait_for_the_database() -> None:
    shutdown = Shutdown(seconds=0.01)
    callers = CallerCache(HangingRevocation(APP), shutdown)  # type: ignore[arg-type]
    lookup = asyncio.create_task(callers.get("t"))
    await asyncio.sleep(0)

    shutdown.start()

    async with asyncio.timeout(60):
        with pytest.raises(Unavailable):
            await lookup
