"""A typed client of Switchboard: handlers of events as one named consumer, and every operation of the API.

- `App`: handlers of events.
- `Api`: the operations. `open_api` gives them to a program without handlers.
- `switchboard_client.events`, `.types`, `.inputs`, `.errors`: the classes of the API.
"""

from switchboard_client.api import Api, open_api
from switchboard_client.app import App
from switchboard_client.backoff import Backoff
from switchboard_client.errors import ApiError, ConnectionLost, GiveUp, Stopped
from switchboard_client.observer import Observer
from switchboard_client.transport import Transport

__all__ = [
    "Api",
    "ApiError",
    "App",
    "Backoff",
    "ConnectionLost",
    "GiveUp",
    "Observer",
    "Stopped",
    "Transport",
    "open_api",
]
