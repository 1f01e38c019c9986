"""What several subscriptions watch together: one task for each different thing, for as long as somebody watches it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, cast

from storage.errors import RateLimited, SwitchboardError
from storage.supervisor import Supervisor

#: Different things that one process watches, and the bytes that they may take together when another one begins.
MAX_WATCHES = 1_000
MAX_BYTES = 256 * 1024 * 1024
#: When a client that was refused for them may try again.
RETRY_AFTER_SECONDS = 5.0


class Watch(Protocol):
    """One thing that is watched."""

    #: What the log of the server calls it.
    name: str
    #: Why it has ended, if it has.
    error: SwitchboardError | None

    @property
    def size(self) -> int:
        """About how many bytes it takes."""

    async def run(self) -> None:
        """Keep it up to date until cancelled. Called again after an exception."""


W = TypeVar("W", bound=Watch)


@dataclass(slots=True)
class _Shared(Generic[W]):
    watch: W
    task: "asyncio.Task[None]"
    members: int = 0


class Watches:
    """The watches of one process, by what they watch."""

    def __init__(self) -> None:
        self._shared: dict[str, _Shared[Watch]] = {}

    def __len__(self) -> int:
        return len(self._shared)

    @contextmanager
    def join(self, key: str, make: Callable[[], W], supervisor: Supervisor) -> Iterator[W]:
        """The watch with that key, which ends when the last member leaves the block. Raises RateLimited."""
        shared = self._shared.get(key)
        if shared is None or shared.watch.error is not None:
            self._require_room()
            watch = make()
            shared = self._shared[key] = _Shared(watch, supervisor.supervise(watch.name, watch.run))
        shared.members += 1
        try:
            yield cast(W, shared.watch)
        finally:
            shared.members -= 1
            if not shared.members:
                shared.task.cancel()
                if self._shared.get(key) is shared:
                    del self._shared[key]

    def _require_room(self) -> None:
        if len(self._shared) >= MAX_WATCHES or sum(one.watch.size for one in self._shared.values()) >= MAX_BYTES:
            raise RateLimited(
                f"This server already keeps as many different lists and counts up to date as it may (at most "
                f"{MAX_WATCHES:,}, in {MAX_BYTES:,} bytes); watch the same as others do, or try again later.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
