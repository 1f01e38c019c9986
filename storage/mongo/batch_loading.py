"""Looking things up by one key, for many at the same time: those who come while the database is answering go together.

A round trip through the driver takes more of the processor than the answer does of the database. Nothing is kept: every
look-up is sent after it was asked for, and so finds what it would have found by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from pymongo.errors import PyMongoError

from storage.supervisor import spawn
from storage.threads import Work

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: Questions under way at once of one kind. The fewer, the more go together; with one alone, those who come in the
#: middle of it would wait for half a round trip more.
MAX_BATCHES_IN_FLIGHT = 2
#: The most keys in one question.
MAX_BATCH_KEYS = 200


class BatchLoader(Generic[K, V]):
    """Look-ups of one kind in one process. `read` finds the values of keys that exist."""

    def __init__(self, read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._read = read
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    async def load(self, key: K) -> V | None:
        """The value of the key, None when there is none. Raises what reading raises."""
        found = self._waiting.get(key)
        if found is None:
            found = self._waiting[key] = asyncio.get_running_loop().create_future()
            self._dispatch()
        return await asyncio.shield(found)  # it is others' too

    def _dispatch(self) -> None:
        while self._waiting and len(self._under_way) < MAX_BATCHES_IN_FLIGHT:
            keys = list(self._waiting)[:MAX_BATCH_KEYS]
            asked = {key: self._waiting.pop(key) for key in keys}
            task = spawn(self._load_batch(asked), name="look up", kind=Work.CHANGES)
            self._under_way.add(task)
            task.add_done_callback(self._batch_done)

    def _batch_done(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._dispatch()

    async def _load_batch(self, asked: dict[K, "asyncio.Future[V | None]"]) -> None:
        try:
            found = await self._read(list(asked))
        except BaseException as error:
            if len(asked) > 1 and not isinstance(error, PyMongoError) and isinstance(error, Exception):
                for key, waiting in asked.items():  # one of the keys is at fault, for which the others are not to pay
                    await self._load_batch({key: waiting})
                return
            for waiting in asked.values():
                if not waiting.done():
                    waiting.set_exception(error)
                    waiting.exception()  # who asked may be gone
            if not isinstance(error, Exception):
                raise
        else:
            for key, waiting in asked.items():
                if not waiting.done():
                    waiting.set_result(found.get(key))


class BatchLoaders:
    """All kinds of look-ups of one process, by what they are about."""

    def __init__(self) -> None:
        self._kinds: dict[Hashable, BatchLoader[Any, Any]] = {}

    def loader(
        self, name: Hashable, read: Callable[[Sequence[Any]], Awaitable[Mapping[Any, Any]]]
    ) -> BatchLoader[Any, Any]:
        """The look-ups of that kind; `read` is how to begin them."""
        known = self._kinds.get(name)
        if known is None:
            known = self._kinds[name] = BatchLoader(read)
        return known
