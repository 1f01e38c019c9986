"""The budget of bytes that one operation may read for its answer. An answer is held in memory until it is sent."""

from contextlib import AbstractContextManager
from contextvars import ContextVar, Token

from storage.errors import QueryTooComplex

#: The most bytes of pages, lists, app data and data of timers that one operation reads, as stored. Each page and list
#: has a smaller limit of its own, and one operation may ask for many.
OPERATION_BYTES = 32 * 1024 * 1024


class ReadBudget:
    """What one operation has read. The tasks of the operation share it. As a block, it limits what the block reads."""

    __slots__ = ("_token", "limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._token: Token[ReadBudget | None]

    def __enter__(self) -> None:
        self._token = _budget.set(self)

    def __exit__(self, *_: object) -> None:
        _budget.reset(self._token)


_budget: ContextVar[ReadBudget | None] = ContextVar("read_budget", default=None)


def read_budget(limit: int = OPERATION_BYTES) -> AbstractContextManager[None]:
    """Limit what is read for answers in the block, and in tasks that it starts, to `limit` bytes."""
    return ReadBudget(limit)


def charge(size: int) -> None:
    """Count `size` bytes. Raises QueryTooComplex when the budget is used up. Without a budget, nothing is limited."""
    budget = _budget.get()
    if budget is None:
        return
    budget.used += size
    if budget.used > budget.limit:
        raise QueryTooComplex(
            f"The answer would take more than {budget.limit:,} bytes as stored. Ask for smaller pages or for fewer "
            "lists in one operation, and for data only where it is used."
        )
