"""Observes the commands that a process sends to MongoDB."""

from typing import Any

from pymongo.monitoring import CommandListener
from typing_extensions import override


class StartedCommands(CommandListener):
    """A listener whose subclasses observe commands when they start (`started`)."""

    @override
    def succeeded(self, event: Any) -> None:
        pass

    @override
    def failed(self, event: Any) -> None:
        pass
