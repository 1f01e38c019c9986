"""The releases of consumer leases that are running in this process."""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine

from storage.supervisor import spawn
from storage.threads import Work


class PendingReleases:
    """Tracks running releases, so that a new connection waits for them instead of being refused."""

    def __init__(self) -> None:
        self._running: defaultdict[tuple[str, str], set[asyncio.Task[None]]] = defaultdict(set)

    def start(self, owner: str, name: str, release: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run a release as a task, which the cancellation of the caller does not stop."""
        task = spawn(release, name="release a consumer lease", kind=Work.BACKGROUND)
        tasks = self._running[owner, name]
        tasks.add(task)

        def remove(task: asyncio.Task[None]) -> None:
            tasks.discard(task)
            if not tasks:
                self._running.pop((owner, name), None)

        task.add_done_callback(remove)
        return task

    async def wait_for_pending(self, owner: str, name: str) -> None:
        """Wait for the releases of this consumer that are running now."""
        if tasks := self._running.get((owner, name)):
            await asyncio.wait(tasks)
