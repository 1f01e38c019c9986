"""Time limits of reads. Every read passes the rest of its caller's time limit to MongoDB as `maxTimeMS`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import ExecutionTimeout, PyMongoError
from typing_extensions import override

Document: TypeAlias = dict[str, Any]

MAX_TIME_MS_EXPIRED = 50
#: The default time limit. It applies to the reads of subscriptions. Mutations have the time limit of their transaction.
READ_SECONDS = 30.0

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Limit the reads in the block to `seconds` from now. An outer limit still applies."""
    if seconds is None:
        yield
        return
    outer, own = _deadline.get(), time.monotonic() + seconds
    token = _deadline.set(own if outer is None else min(outer, own))
    try:
        yield
    finally:
        _deadline.reset(token)


@contextmanager
def time_limit_by_default() -> Iterator[None]:
    """Limit the reads in the block to READ_SECONDS, unless an outer limit exists."""
    with time_limit(READ_SECONDS if _deadline.get() is None else None):
        yield


@contextmanager
def paused_time_limit() -> Iterator[None]:
    """Do not limit the reads in the block. The time limit continues after the block, later by the block's duration.

    For use inside `time_limit`, in the same task.
    """
    outer, started_at = _deadline.get(), time.monotonic()
    _deadline.set(None)
    try:
        yield
    finally:
        _deadline.set(None if outer is None else outer + time.monotonic() - started_at)


def exceeded(error: PyMongoError) -> bool:
    """Whether a read exceeded its time limit."""
    return isinstance(error, ExecutionTimeout) and error.code == MAX_TIME_MS_EXPIRED


def milliseconds_left() -> int | None:
    """The rest of the caller's time limit; None if it has none. Raises ExecutionTimeout if it has passed."""
    deadline = _deadline.get()
    if deadline is None:
        return None
    left = int((deadline - time.monotonic()) * 1_000)
    if left <= 0:
        raise ExecutionTimeout("The deadline has passed.", MAX_TIME_MS_EXPIRED)
    return left


class BoundedCollection(AsyncIOMotorCollection[Document]):
    """A collection whose reads have the time limit of their caller."""

    @override
    def find(self, *args: Any, **kwargs: Any) -> Any:
        return super().find(*args, **_bounded("max_time_ms", kwargs))

    @override
    def find_one(self, *args: Any, **kwargs: Any) -> Any:
        return super().find_one(*args, **_bounded("max_time_ms", kwargs))

    @override
    def aggregate(self, *args: Any, **kwargs: Any) -> Any:
        return super().aggregate(*args, **_bounded("maxTimeMS", kwargs))

    @override
    def count_documents(self, *args: Any, **kwargs: Any) -> Any:
        return super().count_documents(*args, **_bounded("maxTimeMS", kwargs))

    @override
    def distinct(self, *args: Any, **kwargs: Any) -> Any:
        return super().distinct(*args, **_bounded("maxTimeMS", kwargs))


def _bounded(option: str, options: Document) -> Document:
    left = milliseconds_left()
    return options if left is None else {option: left, **options}
