"""What goes to Salesforce: the visitor's messages, in their order, each once."""

import logging
from dataclasses import dataclass, replace

from examples.salesforce_chat import timers
from examples.salesforce_chat.calls import Calls, RoomGone
from examples.salesforce_chat.salesforce.errors import (
    GuestTokenEnds,
    NoSession,
    Rejected,
    SalesforceError,
)
from examples.salesforce_chat.session import Session
from examples.salesforce_chat.state import Sent, derive_id
from examples.salesforce_chat.switchboard import Ack

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VisitorMessage:
    message_id: str
    number: int
    text: str


async def forward(session: Session, message: VisitorMessage, ack: Ack) -> bool:
    """Send a message of the visitor, and acknowledge its event with the record of it.

    Returns False if it is not for Salesforce: it is there already, or the room has no open conversation.
    """
    async with session.lock:
        await session.load()
        conversation, calls = session.conversation, session.calls
        if conversation is None or calls is None or not session.is_open or message.number <= session.sent.number:
            return False
        salesforce_id = derive_id(conversation.id, message.message_id)
        try:
            await _deliver(session, calls, salesforce_id, message)
        except RoomGone:
            return False
        except GuestTokenEnds:
            await session.replace()  # its history has the message
            return False
        except Rejected as error:
            _log.warning("room %s: Salesforce refuses a message: %s", session.room_id, error)
            note = f"Salesforce did not accept the visitor's message {message.number}: {error}"
            await session.services.switchboard.messages.note(session.room_id, note, f"{salesforce_id}:rejected")
            salesforce_id = session.sent.last_id or ""
        except SalesforceError as error:
            await session.give_back(f"Salesforce: {error}")
            return False
        else:
            if session.incoming is not None:
                session.incoming.remember_sent(salesforce_id, message.message_id)
        session.sent = replace(session.sent, number=message.number, last_id=salesforce_id or None)
        await session.services.switchboard.save_sent(session.room_id, session.sent, ack)
        return True


async def _deliver(session: Session, calls: Calls, salesforce_id: str, message: VisitorMessage) -> None:
    """Send it, in a new messaging session if the last one has ended."""
    try:
        await calls.send(salesforce_id, message.text, session.sent.last_id)
    except NoSession:
        conversation = session.conversation
        if conversation is None:
            return
        session.sent = _reopened(session.sent, message.number)
        await session.services.switchboard.save_sent(session.room_id, session.sent, None)
        await calls.send(salesforce_id, message.text, session.sent.last_id, conversation.attributes)
        await timers.start_waiting(session, session.services.settings.wait_seconds)


def _reopened(sent: Sent, number: int) -> Sent:
    """After a message starts another session. It counts once, however often it is tried."""
    if sent.reopened_for == number:
        return sent
    return replace(sent, reopened=sent.reopened + 1, reopened_for=number)
