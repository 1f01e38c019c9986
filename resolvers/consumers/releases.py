"""Releases: consumers that connections of this process are about to give back."""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine

from storage.supervisor import spawn
from storage.threads import Work


class PendingReleases:
    """Those that are under way, so that whoever comes next in this process need not be refused because of them."""

    def __init__(self) -> None:
        self._under_way: defaultdict[tuple[str, str], set[asyncio.Task[None]]] = defaultdict(set)

    def start(self, owner: str, name: str, release: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Do it, whatever becomes of whoever asked for it."""
        task = spawn(release, name="release a consumer lease", kind=Work.BACKGROUND)
        tasks = self._under_way[owner, name]
        tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            tasks.discard(task)
            if not tasks:
                self._under_way.pop((owner, name), None)

        task.add_done_callback(ended)
        return task

    async def wait_for_pending(self, owner: str, name: str) -> None:
        """Return when those of this consumer that are under way now are over."""
        if tasks := self._under_way.get((owner, name)):
            await asyncio.wait(tasks)
