"""Batch loading: concurrent look-ups by key are sent to the database together.

A round trip costs more CPU time in the driver than the query costs in the database. Results are not cached: each key is
read after it was requested.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from pymongo.errors import PyMongoError

from storage.supervisor import spawn
from storage.threads import Work

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: Concurrent batches of one loader. With fewer, batches are larger. With one, a key would wait half a round trip longer
#: on average.
MAX_BATCHES_IN_FLIGHT = 2
#: Keys in one batch.
MAX_BATCH_KEYS = 200


class BatchLoader(Generic[K, V]):
    """Loads values by key in batches. `read` returns the values of the keys that exist."""

    def __init__(self, read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], *, kind: Work = Work.CHANGES) -> None:
        self._read = read
        self._kind = kind
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._batches: set[asyncio.Task[None]] = set()
        #: Whether a batch is about to take the waiting keys.
        self._starting = False

    async def load(self, key: K) -> V | None:
        """The value of the key, or None. Raises what `read` raises."""
        found = self._waiting.get(key)
        if found is None:
            found = self._waiting[key] = asyncio.get_running_loop().create_future()
            self._dispatch()
        return await asyncio.shield(found)  # other callers may wait for it

    async def load_many(self, keys: Iterable[K]) -> dict[K, V]:
        """The values of the keys that exist. More than MAX_BATCH_KEYS keys are read at once and alone."""
        wanted = list(dict.fromkeys(keys))
        if len(wanted) > MAX_BATCH_KEYS:
            return dict(await self._read(wanted))
        values = await asyncio.gather(*map(self.load, wanted))
        return {key: value for key, value in zip(wanted, values, strict=True) if value is not None}

    def _dispatch(self) -> None:
        if self._waiting and not self._starting and len(self._batches) < MAX_BATCHES_IN_FLIGHT:
            self._starting = True
            task = spawn(self._start_batch(), name="load a batch", kind=self._kind)
            self._batches.add(task)
            task.add_done_callback(self._batch_done)

    async def _start_batch(self) -> None:
        """Load the keys that wait when the task starts: all that were requested in one pass of the event loop."""
        self._starting = False
        keys = list(self._waiting)[:MAX_BATCH_KEYS]
        batch = {key: self._waiting.pop(key) for key in keys}
        self._dispatch()
        await self._load_batch(batch)

    def _batch_done(self, task: "asyncio.Task[None]") -> None:
        self._batches.discard(task)
        self._dispatch()

    async def _load_batch(self, batch: dict[K, "asyncio.Future[V | None]"]) -> None:
        try:
            found = await self._read(list(batch))
        except BaseException as error:
            if len(batch) > 1 and not isinstance(error, PyMongoError) and isinstance(error, Exception):
                for key, waiting in batch.items():  # one key may have caused the error
                    await self._load_batch({key: waiting})
                return
            for waiting in batch.values():
                if not waiting.done():
                    waiting.set_exception(error)
                    waiting.exception()  # a cancelled caller does not retrieve it
            if not isinstance(error, Exception):
                raise
        else:
            for key, waiting in batch.items():
                if not waiting.done():
                    waiting.set_result(found.get(key))


class BatchLoaders:
    """The batch loaders of one process by name."""

    def __init__(self) -> None:
        self._loaders: dict[Hashable, BatchLoader[Any, Any]] = {}

    def loader(
        self,
        name: Hashable,
        read: Callable[[Sequence[Any]], Awaitable[Mapping[Any, Any]]],
        *,
        kind: Work = Work.CHANGES,
    ) -> BatchLoader[Any, Any]:
        """The loader with that name, created at the first call. `read` runs on the threads for that kind of work."""
        loader = self._loaders.get(name)
        if loader is None:
            loader = self._loaders[name] = BatchLoader(read, kind=kind)
        return loader
