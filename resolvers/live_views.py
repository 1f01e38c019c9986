"""Views of the data that subscriptions share. A view is updated by one background task while it has subscribers."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar, cast

from storage.errors import RateLimited, SwitchboardError
from storage.supervisor import Supervisor

#: The most views of one process, and their memory. A view that exceeds the memory when it grows ends.
MAX_VIEWS = 1_000
MAX_BYTES = 256 * 1024 * 1024
#: The time after which a client whose view was refused may try again.
RETRY_AFTER_SECONDS = 5.0


class LiveView(Protocol):
    """A view of the data that is kept up to date."""

    #: The name of its background task in the server's log.
    name: str
    #: The error that ended the view, or None.
    error: SwitchboardError | None

    @property
    def size(self) -> int:
        """Estimated memory in bytes."""

    #: Set by LiveViews. The view calls it when it may have grown. Raises RateLimited, which ends the view.
    check_memory: Callable[[], None]

    def shrink(self) -> None:
        """Free the memory of what can be computed again."""

    async def run(self) -> None:
        """Keep the view up to date until cancelled. Called again after an exception."""


V = TypeVar("V", bound=LiveView)


@dataclass(slots=True, eq=False)
class _SharedView(Generic[V]):
    view: V
    task: "asyncio.Task[None]"
    subscribers: int = 0
    #: The counted memory of the view.
    bytes: int = 0


class LiveViews:
    """The live views of one process, by key."""

    def __init__(self) -> None:
        self._shared: dict[str, _SharedView[LiveView]] = {}
        #: The views that have subscribers, including those that ended with an error.
        self._counted: set[_SharedView[LiveView]] = set()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._shared)

    @property
    def bytes(self) -> int:
        """The estimated memory of all views."""
        return self._bytes

    @contextmanager
    def subscribe(self, key: str, create: Callable[[], V], supervisor: Supervisor) -> Iterator[V]:
        """The view with the key, created if needed. It ends when its last subscriber leaves the block.

        Raises RateLimited if this process has too many views.
        """
        shared = self._shared.get(key)
        if shared is None or shared.view.error is not None:
            self._require_capacity()
            view = create()
            shared = self._shared[key] = _SharedView(view, supervisor.supervise(view.name, view.run))
            self._counted.add(shared)
            view.check_memory = partial(self._check_memory, shared)
        shared.subscribers += 1
        try:
            yield cast(V, shared.view)
        finally:
            shared.subscribers -= 1
            if not shared.subscribers:
                shared.task.cancel()
                self._counted.discard(shared)
                self._bytes -= shared.bytes
                if self._shared.get(key) is shared:
                    del self._shared[key]

    def _require_capacity(self) -> None:
        if len(self._counted) >= MAX_VIEWS or self._bytes >= MAX_BYTES:
            raise _too_many()

    def _check_memory(self, shared: _SharedView[LiveView]) -> None:
        """Count the memory of a view. Shrink all views if they exceed the limit. Raises RateLimited if that fails."""
        self._count(shared)
        if self._bytes > MAX_BYTES:
            for one in self._counted:
                one.view.shrink()
                self._count(one)
            if self._bytes > MAX_BYTES:
                raise _too_many()

    def _count(self, shared: _SharedView[LiveView]) -> None:
        if shared in self._counted:
            self._bytes -= shared.bytes
            shared.bytes = shared.view.size
            self._bytes += shared.bytes


def _too_many() -> RateLimited:
    return RateLimited(
        f"This server has the maximum number of different lists and counts ({MAX_VIEWS:,}, with {MAX_BYTES:,} bytes); "
        "subscribe to the same ones as others, or try again later.",
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )
