"""All classes of events."""

from switchboard_client.event_documents import EventsPage as EventsPage
from switchboard_client.generated.events import *  # noqa: F403
