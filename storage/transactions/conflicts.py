"""Conflicts of attempts at mutations, and the conditions of their commits."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

AsyncCallback: TypeAlias = Callable[[], Awaitable[None]]


class Conflict(Exception):
    """Data that this attempt read has changed. The body runs again, after `before_retry`."""

    def __init__(self, before_retry: AsyncCallback | None = None) -> None:
        super().__init__()
        self.before_retry = before_retry


class CommitGuard(Protocol):
    """A condition on which an attempt may be committed, in addition to the versions in its writes.

    Equal guards have equal conditions: it is checked once for the attempts that are committed together.
    """

    @property
    def condition(self) -> tuple[str, str, str]:
        """The collection, the id of the document and the field on whose value the condition depends."""

    def require(self, value: Any) -> None:
        """Raise Conflict if the condition is false with this value of the field. None: it has none."""

    async def is_outdated(self) -> bool:
        """Whether the condition is false now."""

    async def refresh(self) -> None:
        """Prepare the next attempt, in which the condition may be true."""

    def close(self) -> None:
        """Called when the attempt has ended."""
