"""Slow name servers of one owner do not delay the lookups of others."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from server.webhooks.lookups import Lookups


@pytest.fixture
def answered() -> Iterator[threading.Event]:
    """Set when the slow name server answers."""
    event = threading.Event()
    yield event
    event.set()


async def test_lookups_that_hang_leave_threads_to_other_owners(answered: threading.Event) -> None:
    def look_up(host: str, port: int) -> list[str]:
        if host == "slow.example":
            answered.wait()
        return [f"{host}:{port}", threading.current_thread().name[:17]]

    lookups = Lookups(look_up, total=3, per_owner=2)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await lookups.resolve("a", "slow.example", 443)
    third = asyncio.ensure_future(lookups.resolve("a", "slow.example", 443))
    await asyncio.sleep(0)
    assert lookups.shares.waiting == 1

    async with asyncio.timeout(10):
        other = await lookups.resolve("b", "fast.example", 443)

    assert other == ["fast.example:443", "names of webhooks"]
    assert not third.done()
    answered.set()
    assert (await third)[0] == "slow.example:443"


async def test_an_error_of_a_lookup_is_raised_and_ends_it() -> None:
    def look_up(host: str, port: int) -> list[str]:
        raise OSError(host)

    lookups = Lookups(look_up, total=1, per_owner=1)

    for _ in range(2):
        with pytest.raises(OSError, match="nothing"):
            async with asyncio.timeout(10):
                await lookups.resolve("a", "nothing", 443)
