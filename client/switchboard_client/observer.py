"""Hooks for metrics. The logger of the library is `switchboard_client`."""

from switchboard_client.generated.events import Event


class Observer:
    """Override what you measure. The methods are called on the event loop and must not block it."""

    def connected(self) -> None:
        """The app has subscribed. `disconnected` follows at once if another copy reads for the consumer."""

    def disconnected(self, reason: Exception) -> None:
        """The app does not read for its consumer any more. It connects again by itself."""

    def handled(self, event: Event, *, attempts: int, seconds: float) -> None:
        """An event is acknowledged. `seconds` is the time since it arrived."""

    def retried(self, event: Event, error: Exception, *, attempt: int, pause: float) -> None:
        """A handler failed, and is called again after the pause."""

    def gave_up(self, event: Event, error: Exception, *, attempts: int) -> None:
        """The event goes to the dead-letter hook."""
