"""The token watcher: notifies this process of tokens that any process deleted or changed.

It watches the collection of tokens, because some deletions, such as a logout, record no fact.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from storage.listeners import Listeners
from storage.mongo.connection import Collection, Database

#: Pause before a change stream is opened again, after which all tokens are checked.
POLL_SECONDS = 1.0
_CHANGE_STREAM_PIPELINE: Sequence[Mapping[str, Any]] = (
    {"$match": {"operationType": {"$in": ["delete", "update", "replace", "invalidate"]}}},
    {"$project": {"documentKey": 1}},
)


class TokenWatcher:
    """Watches the collection of tokens by a change stream, and notifies its listeners."""

    def __init__(self, database: Database) -> None:
        self._tokens: Collection = database["tokens"]
        #: Called with the id of a token that may have ended, or with None if any token may have ended.
        self.listeners = Listeners[[str | None]]("a token may have ended")

    async def watch(self) -> None:
        """Watch until cancelled.

        The driver resumes a stream once. After that, this method opens another one, or the supervisor does.
        """
        while True:
            try:
                async with self._tokens.watch(list(_CHANGE_STREAM_PIPELINE), max_await_time_ms=1_000) as stream:
                    change = await stream.try_next()  # opens the stream
                    self.listeners.notify(None)  # tokens may have ended before the stream was open
                    while stream.alive:
                        if change is not None:
                            self.listeners.notify(_token_id(change))
                        change = await stream.try_next()
            finally:
                self.listeners.notify(None)
            await asyncio.sleep(POLL_SECONDS)

    def notify_all_tokens(self) -> None:
        """Notify the listeners that any token may have ended, as when the timers of this process did not run."""
        self.listeners.notify(None)


def _token_id(change: dict[str, Any]) -> str | None:
    with suppress(KeyError):
        return str(change["documentKey"]["_id"])
    return None
