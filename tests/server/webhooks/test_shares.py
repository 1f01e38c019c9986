"""An owner of webhooks has a share of the permits."""

import asyncio

import pytest

from server.webhooks.shares import Shares


async def test_an_owner_with_all_of_its_share_leaves_permits_to_others() -> None:
    shares = Shares(3, 2)
    first = [await shares.acquire("a"), await shares.acquire("a")]
    third = asyncio.ensure_future(shares.acquire("a"))
    await asyncio.sleep(0)
    assert shares.waiting == 1

    other = await asyncio.wait_for(shares.acquire("b"), 1)

    assert not third.done()
    first[0]()
    (await asyncio.wait_for(third, 1))()
    other()
    first[1]()
    assert shares.waiting == 0


async def test_the_permits_of_all_owners_are_limited() -> None:
    shares = Shares(1, 1)
    release = await shares.acquire("a")
    other = asyncio.ensure_future(shares.acquire("b"))
    await asyncio.sleep(0)
    assert (shares.waiting, other.done()) == (1, False)

    release()

    (await asyncio.wait_for(other, 1))()


async def test_who_stops_waiting_leaves_its_permits() -> None:
    shares = Shares(1, 1)
    release = await shares.acquire("a")
    waiting = [asyncio.ensure_future(shares.acquire(owner)) for owner in ("a", "b")]
    await asyncio.sleep(0)

    for one in waiting:
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
    release()

    async with asyncio.timeout(1), shares.permit("b"):
        pass
    async with asyncio.timeout(1), shares.permit("a"):
        assert shares.waiting == 0
