"""The timers of a conversation: for an agent who comes, and for what is said."""

from datetime import datetime
from typing import TYPE_CHECKING

from examples.salesforce_chat.switchboard import Ack

if TYPE_CHECKING:
    from examples.salesforce_chat.session import Session

WAIT_TIMER, IDLE_TIMER = "salesforce.wait", "salesforce.idle"


async def start_waiting(session: "Session", seconds: int) -> None:
    """Wait for an agent."""
    data = {"conversation": session.current()[0].id}
    await session.services.switchboard.set_timer(session.room_id, WAIT_TIMER, seconds, data)


async def agent_joined(session: "Session") -> None:
    """Stop waiting for an agent, and start waiting for what is said."""
    await session.services.switchboard.cancel_timer(session.room_id, WAIT_TIMER)
    await _start_idle_timer(session)


async def _start_idle_timer(session: "Session") -> None:
    seconds = session.services.settings.idle_seconds
    if seconds:
        data = {"conversation": session.current()[0].id}
        await session.services.switchboard.set_timer(session.room_id, IDLE_TIMER, seconds, data, restart=True)


async def elapsed(session: "Session", name: str, conversation_id: str, elapsed_at: datetime, ack: Ack) -> None:
    """A timer of the conversation elapsed: nobody came, or nobody wrote."""
    async with session.lock:
        await session.load()
        conversation, incoming, switchboard = session.conversation, session.incoming, session.services.switchboard
        if conversation is None or incoming is None or not session.is_open or conversation.id != conversation_id:
            return
        if name == WAIT_TIMER:
            if incoming.agent is None:
                await session.give_back("Nobody at Salesforce took the conversation in time.", ack)
            return
        room = await session.own_room()
        if room is None:
            return
        if room.last_message_at is not None and room.last_message_at > elapsed_at:
            await _start_idle_timer(session)  # somebody wrote in the same moment
            return
        text = session.services.settings.texts.idle
        if text:
            await switchboard.messages.say(session.room_id, text, f"{conversation.id}:idle")
        await switchboard.close(session.room_id, conversation.assignment, "Nobody wrote in time.", ack)
