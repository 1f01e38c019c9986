"""The token watcher: notifies this process of tokens that any process deleted or changed.

It watches the collection of tokens, because some deletions, such as a logout, record no fact.
"""

from storage.listeners import Listeners
from storage.mongo.change_stream import Watch
from storage.mongo.connection import Document


class TokenWatcher:
    """Notifies its listeners of tokens that may have ended."""

    def __init__(self) -> None:
        #: Called with the id of a token that may have ended, or with None if any token may have ended.
        self.listeners = Listeners[[str | None]]("a token may have ended")

    def watch(self) -> Watch:
        """The watch that notifies the listeners."""
        ended = {"operationType": {"$in": ["delete", "update", "replace", "drop", "rename"]}}
        return Watch("tokens", ended, changed=self._changed, missed=self.notify_all_tokens)

    def _changed(self, change: Document) -> None:
        key = change.get("documentKey")  # absent if the collection was dropped
        self.listeners.notify(None if key is None else str(key["_id"]))

    def notify_all_tokens(self) -> None:
        """Notify the listeners that any token may have ended, as when the timers of this process did not run."""
        self.listeners.notify(None)
