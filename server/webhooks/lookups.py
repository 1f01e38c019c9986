"""Resolves the names of receivers on threads of its own, so that slow name servers delay nothing else."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from server.webhooks.shares import Shares

#: Lookups at a time, and those for one owner among them. One that nobody waits for any more counts until it ends: a
#: thread cannot be interrupted.
MAX_LOOKUPS = 16
MAX_LOOKUPS_PER_OWNER = 2


def look_up(host: str, port: int) -> list[str]:
    """The addresses of a name, by the resolver of the machine. Blocks."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class Lookups:
    """The lookups of one process."""

    def __init__(
        self,
        look_up: Callable[[str, int], Sequence[str]] = look_up,
        *,
        total: int = MAX_LOOKUPS,
        per_owner: int = MAX_LOOKUPS_PER_OWNER,
    ) -> None:
        self._look_up = look_up
        self._threads = ThreadPoolExecutor(total, thread_name_prefix="names of webhooks")
        self.shares = Shares(total, per_owner)

    async def resolve(self, owner_id: str, host: str, port: int) -> Sequence[str]:
        """The addresses of a name, for a webhook of the owner."""
        release = await self.shares.acquire(owner_id)
        addresses = asyncio.get_running_loop().run_in_executor(self._threads, self._look_up, host, port)
        addresses.add_done_callback(lambda _: release())
        return await asyncio.shield(addresses)
