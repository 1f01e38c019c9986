"""Prepares Switchboard for the bridge."""

from examples.salesforce_crm.settings import InvalidSetting
from switchboard_client import Api
from switchboard_client.errors import DuplicateValue
from switchboard_client.types import FieldTarget, FieldType


async def define_room_field(api: Api, key: str) -> None:
    """Define the custom field of rooms that holds the id of the case. Raises InvalidSetting for another type."""
    try:
        # It is not unique, because a visitor who may set custom fields could take a value before its room has it.
        await api.define_custom_field(target=FieldTarget.ROOM, key=key, type=FieldType.TEXT, label="Salesforce case")
    except DuplicateValue:
        for definition in await api.custom_field_definitions(target=FieldTarget.ROOM) or ():
            if definition.key == key and definition.type is not FieldType.TEXT:
                raise InvalidSetting(f"CRM_ROOM_FIELD: the room field {key} exists, but is no TEXT") from None
