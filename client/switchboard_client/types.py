"""All classes of objects and enums of the API."""

from switchboard_client.generated.enums import *  # noqa: F403
from switchboard_client.generated.types import *  # noqa: F403
from switchboard_client.records import CustomField as CustomField
from switchboard_client.records import FieldValue as FieldValue
