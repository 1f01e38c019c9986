"""Cases of rooms. The external id of a case is the id of its room, so that a room never has two."""

from dataclasses import dataclass

from examples.salesforce_crm.contacts import Person
from examples.salesforce_crm.salesforce.errors import Refused
from examples.salesforce_crm.salesforce.rest import Salesforce

KEY = "SwitchboardRoomId__c"
SUBJECT_LENGTH = 255
NAME_LENGTH = 80
PHONE_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a case tells about its room."""

    room_id: str
    subject: str | None
    source: str


class Cases:
    """The cases of an org."""

    def __init__(self, salesforce: Salesforce, *, origin: str) -> None:
        self._salesforce = salesforce
        self._origin = origin

    async def ensure(self, conversation: Conversation, person: Person, contact_id: str | None) -> str:
        """The id of the room's case, which is created if there is none. Raises SalesforceError."""
        subject = conversation.subject or f"Conversation with {person.name or 'a visitor'}"
        values: dict[str, str] = {
            "Subject": subject[:SUBJECT_LENGTH],
            "Origin": self._origin,
            "Description": f"Switchboard room {conversation.room_id}, channel {conversation.source}",
        }
        supplied = {
            "ContactId": contact_id,
            "SuppliedName": (person.name or "")[:NAME_LENGTH],
            "SuppliedPhone": (person.phone or "")[:PHONE_LENGTH],
            "SuppliedEmail": person.email if person.email and len(person.email) <= NAME_LENGTH else None,
        }
        values |= {name: value for name, value in supplied.items() if value}
        try:
            return await self._salesforce.upsert("Case", KEY, conversation.room_id, values)
        except Refused as refused:
            if refused.code != "INVALID_EMAIL_ADDRESS" or "SuppliedEmail" not in values:
                raise
            del values["SuppliedEmail"]
            return await self._salesforce.upsert("Case", KEY, conversation.room_id, values)

    async def find(self, room_id: str) -> str | None:
        """The id of the room's case. Raises SalesforceError."""
        return await self._salesforce.find_id("Case", KEY, room_id)
