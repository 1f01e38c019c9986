"""Batch loading: concurrent look-ups by key are sent to the database together.

A round trip costs more CPU time in the driver than the query costs in the database. Results are not cached: each key is
read after it was requested.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
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

    def __init__(self, read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._read = read
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._batches: set[asyncio.Task[None]] = set()

    async def load(self, key: K) -> V | None:
        """The value of the key, or None. Raises what `read` raises."""
        found = self._waiting.get(key)
        if found is None:
            found = self._waiting[key] = asyncio.get_running_loop().create_future()
            self._dispatch()
        return await asyncio.shield(found)  # other callers may wait for it

    def _dispatch(self) -> None:
        while self._waiting and len(self._batches) < MAX_BATCHES_IN_FLIGHT:
            keys = list(self._waiting)[:MAX_BATCH_KEYS]
            batch = {key: self._waiting.pop(key) for key in keys}
            task = spawn(self._load_batch(batch), name="load a batch", kind=Work.CHANGES)
            self._batches.add(task)
            task.add_done_callback(self._batch_done)

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
        self, name: Hashable, read: Callable[[Sequence[Any]], Awaitable[Mapping[Any, Any]]]
    ) -> BatchLoader[Any, Any]:
        """The loader with that name, created with `read` at the first call."""
        loader = self._loaders.get(name)
        if loader is None:
            loader = self._loaders[name] = BatchLoader(read)
        return loader
