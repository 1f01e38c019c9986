"""Pings are due at their time, each websocket once, and a cancelled one never."""

import asyncio

from typing_extensions import override

from server.transport.keepalive import SLICE, TICK_SECONDS, KeepaliveTimer
from tests.storage.support import until


class Socket:
    """A websocket that records when it was served."""

    def __init__(self, timer: KeepaliveTimer, again: float | None = None) -> None:
        self._timer = timer
        self._again = again
        self.served: list[float] = []
        self.payloads: list[bytes] = []

    def keep_alive(self, payload: bytes) -> None:
        self.served.append(asyncio.get_running_loop().time())
        self.payloads.append(payload)
        if self._again is not None:
            self._timer.add(self, self._again)


async def until_served(sockets: list[Socket], times: int = 1) -> None:
    async def are_served() -> bool:
        return all(len(socket.served) >= times for socket in sockets)

    await until(are_served)


async def test_every_websocket_is_served_once_after_its_time() -> None:
    timer, start = KeepaliveTimer(), asyncio.get_running_loop().time()
    sockets = [Socket(timer) for _ in range(3 * SLICE)]
    for number, socket in enumerate(sockets):
        timer.add(socket, (number % 3) * TICK_SECONDS)

    await until_served(sockets)

    assert [len(socket.served) for socket in sockets] == [1] * len(sockets)
    assert all(socket.served[0] >= start + (number % 3) * TICK_SECONDS for number, socket in enumerate(sockets))
    assert timer._timer is None


async def test_an_earlier_deadline_is_met_before_a_later_one_that_was_added_first() -> None:
    timer = KeepaliveTimer()
    late, early = Socket(timer), Socket(timer)
    timer.add(late, 3_600)
    timer.add(early, 0)

    await until_served([early])

    assert late.served == []


async def test_a_cancelled_deadline_is_not_served() -> None:
    timer = KeepaliveTimer()
    cancelled, other = Socket(timer), Socket(timer)
    timer.add(cancelled, 0).pop(cancelled)
    timer.add(other, 2 * TICK_SECONDS)

    await until_served([other])

    assert cancelled.served == []


async def test_a_websocket_that_adds_itself_again_is_served_again_with_another_payload() -> None:
    timer = KeepaliveTimer()
    socket = Socket(timer, again=TICK_SECONDS)
    timer.add(socket, 0)

    await until_served([socket], times=3)

    assert len(set(socket.payloads[:3])) == 3


async def test_an_error_of_one_websocket_does_not_end_the_pings_of_the_others() -> None:
    class FailingSocket(Socket):
        @override
        def keep_alive(self, payload: bytes) -> None:
            super().keep_alive(payload)
            raise ConnectionError

    timer = KeepaliveTimer()
    failing, others = FailingSocket(timer), [Socket(timer, again=TICK_SECONDS) for _ in range(2)]
    errors: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context.get("exception")))
    try:
        # The last websocket that is added to a slot is served first.
        for socket in (others[0], failing, others[1]):
            timer.add(socket, 0)

        await until_served(others, times=2)
    finally:
        loop.set_exception_handler(None)

    assert len(failing.served) == 1
    assert [type(error) for error in errors] == [ConnectionError]
