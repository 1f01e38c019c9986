"""Time limits of reads. Every read passes the rest of its caller's time limit to MongoDB as `maxTimeMS`."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar, Token
from typing import Any, Final, TypeAlias

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import ExecutionTimeout, PyMongoError
from typing_extensions import override

Document: TypeAlias = dict[str, Any]

MAX_TIME_MS_EXPIRED = 50
#: The default time limit. It applies to the reads of subscriptions. Mutations have the time limit of their transaction.
READ_SECONDS = 30.0

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
_NO_LIMIT: Final = nullcontext()


class TimeLimit:
    """The reads in the block are limited to `seconds` from its beginning. An outer limit still applies."""

    __slots__ = ("_seconds", "_token")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._token: Token[float | None]

    def __enter__(self) -> None:
        outer, own = _deadline.get(), time.monotonic() + self._seconds
        self._token = _deadline.set(own if outer is None else min(outer, own))

    def __exit__(self, *_: object) -> None:
        _deadline.reset(self._token)


def time_limit(seconds: float | None) -> AbstractContextManager[None]:
    """Limit the reads in the block to `seconds` from now. An outer limit still applies."""
    return _NO_LIMIT if seconds is None else TimeLimit(seconds)


def time_limit_by_default() -> AbstractContextManager[None]:
    """Limit the reads in the block to READ_SECONDS, unless an outer limit exists."""
    return TimeLimit(READ_SECONDS) if _deadline.get() is None else _NO_LIMIT


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
