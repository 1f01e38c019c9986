"""All nested inputs, as dictionaries with the names of the API."""

from switchboard_client.generated.inputs import *  # noqa: F403
