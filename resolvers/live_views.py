"""Views of the data that subscriptions share. A view is updated by one background task while it has subscribers."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, cast

from storage.errors import RateLimited, SwitchboardError
from storage.supervisor import Supervisor

#: The most views of one process. A new one is refused also if the others take this many bytes.
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

    async def run(self) -> None:
        """Keep the view up to date until cancelled. Called again after an exception."""


V = TypeVar("V", bound=LiveView)


@dataclass(slots=True)
class _SharedView(Generic[V]):
    view: V
    task: "asyncio.Task[None]"
    subscribers: int = 0


class LiveViews:
    """The live views of one process, by key."""

    def __init__(self) -> None:
        self._shared: dict[str, _SharedView[LiveView]] = {}

    def __len__(self) -> int:
        return len(self._shared)

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
        shared.subscribers += 1
        try:
            yield cast(V, shared.view)
        finally:
            shared.subscribers -= 1
            if not shared.subscribers:
                shared.task.cancel()
                if self._shared.get(key) is shared:
                    del self._shared[key]

    def _require_capacity(self) -> None:
        if len(self._shared) >= MAX_VIEWS or sum(shared.view.size for shared in self._shared.values()) >= MAX_BYTES:
            raise RateLimited(
                f"This server has the maximum number of different lists and counts ({MAX_VIEWS:,}, with "
                f"{MAX_BYTES:,} bytes); subscribe to the same ones as others, or try again later.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
