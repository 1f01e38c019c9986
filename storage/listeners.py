"""Listeners: functions that one part of the process calls when something happened, without importing their owners.

The feed, the transaction runner, the token watcher and the clock each have one list of listeners.
"""

import logging
from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")

logger = logging.getLogger(__name__)


class Listeners(Generic[P]):
    """The functions to call on one kind of event, in the order in which they were added. They must not block."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._listeners: list[Callable[P, None]] = []

    def add(self, listener: Callable[P, None]) -> None:
        """Call `listener` on every event from now on."""
        self._listeners.append(listener)

    def remove(self, listener: Callable[P, None]) -> None:
        self._listeners.remove(listener)

    def notify(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call every listener. An exception of one is logged, and the others are called all the same."""
        for listener in tuple(self._listeners):
            try:
                listener(*args, **kwargs)
            except Exception:
                logger.exception("A listener failed: %s.", self._event)
