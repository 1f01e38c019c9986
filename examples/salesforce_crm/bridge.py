"""The bridge: which event of Switchboard has which effect in Salesforce.

The bridge stores nothing. Every effect has a key that is the same when its event comes again: the visitor's id on the
contact, the room's id on the case, the room's id and the number of the file on the transcript. So an effect is taken
once, whenever the bridge is killed.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from examples.salesforce_crm.cases import Cases
from examples.salesforce_crm.contacts import Contacts
from examples.salesforce_crm.conversations import (
    closing_of,
    conversation_of,
    person_before,
    person_of,
    transcript_pages,
)
from examples.salesforce_crm.salesforce.errors import Refused, SalesforceError
from examples.salesforce_crm.salesforce.rest import Salesforce
from examples.salesforce_crm.settings import Settings
from examples.salesforce_crm.transcripts import Transcripts
from switchboard_client import Api, App, ConnectionLost, GiveUp
from switchboard_client.errors import RETRYABLE, AlreadyAcknowledged
from switchboard_client.errors import RoomClosed as RoomIsClosed
from switchboard_client.events import Event, RoomClosed, RoomStarted, VisitorSaved
from switchboard_client.types import Audience

E = TypeVar("E", bound=Event)
logger = logging.getLogger(__name__)

#: An outage of Salesforce or Switchboard may take days: events are retried until it is over.
ATTEMPTS = 1_000_000
HANDLER_SECONDS = 30 * 86_400.0
#: Refusals that are over in another attempt: somebody created, merged or deleted the record between two requests.
TRIES = 3
WORTH_A_RETRY = ("DUPLICATE_VALUE", "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY")
NOTE_LENGTH = 500


class Bridge:
    """The effects of events. Each method may be called again with the same event."""

    def __init__(self, salesforce: Salesforce, settings: Settings) -> None:
        self._settings = settings
        self._contacts = Contacts(salesforce, create_duplicates=settings.crm_duplicates == "create")
        self._cases = Cases(salesforce, origin=settings.crm_case_origin)
        self._transcripts = Transcripts(salesforce, closed_status=settings.crm_closed_status)

    async def save_contact(self, event: VisitorSaved, _: Api) -> None:
        """Find or create the contact of a visitor, and pass on what changed."""
        person = person_of(event.visitor)
        contact_id = await self._contacts.ensure(person)
        if contact_id is not None and not event.created:
            await self._contacts.apply_changes(contact_id, person_before(event), person)

    async def open_case(self, event: RoomStarted, api: Api) -> None:
        """Create the case of a room, and store its id in the room's field."""
        case_id = await self._ensure_case(event)
        try:
            await api.update_room(
                room_id=event.room.room_id,
                custom_fields=[{"key": self._settings.crm_room_field, "value": case_id}],
                client_mutation_id=event.key("case"),
                ack=event,
            )
        except RoomIsClosed:
            # The fields of a closed room do not change. The case is found by its external id.
            logger.info("Room %s was closed before its case %s was stored", event.room.room_id, case_id)

    async def close_case(self, event: RoomClosed, api: Api) -> None:
        """Attach the transcript to the case of a room, and close it."""
        # The room's field is not read: visitors may write custom fields of their rooms.
        case_id = await self._cases.find(event.room.room_id) or await self._ensure_case(event)
        pages = transcript_pages(api, event.room.room_id, staff_notes=self._settings.with_staff_notes)
        await self._transcripts.attach_and_close(case_id, closing_of(event), pages)

    async def _ensure_case(self, event: RoomStarted | RoomClosed) -> str:
        person = person_of(event.room.visitor)
        contact_id = await self._contacts.ensure(person)
        return await self._cases.ensure(conversation_of(event.room), person, contact_id)


async def report_refusal(event: Event, error: Exception, api: Api) -> None:
    """Tell the staff of the room that Salesforce refused for good. The hook of events that are given up."""
    logger.error("Event %s (%s) has no effect in Salesforce: %s", event.sequence, event.type, error)
    if isinstance(event, RoomStarted):
        try:
            await api.send_message(
                room_id=event.room.room_id,
                text=f"Salesforce has no case of this conversation: {error}"[:NOTE_LENGTH],
                audience=Audience.STAFF,
                client_mutation_id=event.key("refused"),
                ack=event,
            )
        except (RoomIsClosed, AlreadyAcknowledged):
            logger.info("Room %s gets no note", event.room.room_id)


def make_app(salesforce: Salesforce, settings: Settings) -> App:
    """The app with the handlers of the bridge."""
    bridge = Bridge(salesforce, settings)
    app = App(
        settings.crm_consumer,
        url=settings.switchboard_url,
        token=settings.switchboard_token,
        attempts=ATTEMPTS,
        handler_seconds=HANDLER_SECONDS,
    )
    app.on(VisitorSaved)(_giving_up(bridge.save_contact))
    app.on(RoomStarted)(_giving_up(bridge.open_case))
    app.on(RoomClosed)(_giving_up(bridge.close_case))
    app.dead_letter(report_refusal)
    return app


def _giving_up(handle: Callable[[E, Api], Awaitable[None]]) -> Callable[[E, Api], Awaitable[None]]:
    """Retry while an outage lasts, and give up what can never succeed."""

    async def handler(event: E, api: Api) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                return await handle(event, api)
            except Refused as refused:
                if refused.code not in WORTH_A_RETRY or attempt == TRIES:
                    raise GiveUp(str(refused)) from refused
            except (SalesforceError, ConnectionLost, AlreadyAcknowledged, *RETRYABLE):
                raise
            except Exception as error:
                raise GiveUp(f"{type(error).__name__}: {error}") from error
        raise AssertionError("the last attempt returns or raises")

    return handler
