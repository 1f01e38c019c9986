"""What the bridge does in Switchboard. Every call may be repeated: a repeated one changes nothing more."""

import logging
from typing import Any

from examples.salesforce_chat.messages import Messages
from examples.salesforce_chat.rooms import Rooms
from examples.salesforce_chat.state import CONVERSATION, RECEIVED, SENT, Conversation, Received, RoomNow, Sent
from switchboard_client import Api
from switchboard_client.errors import DepartmentDisabled, NotFound, RoomClosed, RoomNotAssigned, StaleRevision
from switchboard_client.events import Event
from switchboard_client.types import EventType

_log = logging.getLogger(__name__)
Ack = Event
JSON = dict[str, Any]
#: The longest comment of a change.
COMMENT_CHARACTERS = 500


class Switchboard:
    """The bridge's agent, and what it does with the rooms that it serves."""

    def __init__(self, api: Api, agent_user_id: str, agent_id: str, fallback_department_id: str | None) -> None:
        self._api = api
        self.agent_user_id = agent_user_id
        self.agent_id = agent_id
        self.rooms = Rooms(api)
        self.messages = Messages(api, agent_user_id)
        self._fallback_department_id = fallback_department_id

    # ------------------------------------------------------------ the state

    async def save_conversation(self, room_id: str, value: Conversation, ack: Ack | None = None) -> None:
        await self._save(room_id, CONVERSATION, value.to_json(), ack)

    async def save_sent(self, room_id: str, value: Sent, ack: Ack | None) -> None:
        await self._save(room_id, SENT, value.to_json(), ack)

    async def save_received(self, room_id: str, value: Received) -> None:
        await self._save(room_id, RECEIVED, value.to_json(), None)

    async def _save(self, room_id: str, key: str, value: JSON, ack: Ack | None) -> None:
        await self._api.set_app_data(of={"roomId": room_id}, key=key, value=value, ack=ack)

    # ------------------------------------------------------------ timers

    async def set_timer(self, room_id: str, name: str, seconds: int, data: JSON, *, restart: bool = False) -> None:
        """Set or replace a timer. It ends with the assignment; with `restart`, every message starts it anew."""
        restart_on = [EventType.MESSAGE_SENT] if restart else []
        try:
            await self._api.set_timer(
                room_id=room_id,
                name=name,
                seconds=seconds,
                restart_on=restart_on,
                cancel_on=[EventType.AGENT_UNASSIGNED],
                data=data,
            )
        except (RoomClosed, NotFound):
            _log.info("room %s is closed: no timer %s", room_id, name)

    async def cancel_timer(self, room_id: str, name: str) -> None:
        try:
            await self._api.cancel_timer(room_id=room_id, name=name)
        except NotFound:
            _log.debug("room %s has no timer %s", room_id, name)

    # ------------------------------------------------------------ ends

    async def give_back(self, room_id: str, assignment: str, reason: str, ack: Ack | None) -> None:
        """Give the room of this assignment to the fallback department, or else back to the queue."""
        comment = reason[:COMMENT_CHARACTERS]
        target = self._fallback_department_id
        while (room := await self._mine(room_id, assignment)) is not None:
            try:
                if target is None:
                    await self._api.unassign_agent(
                        room_id=room_id, comment=comment, keep_place=True, if_revision=room.revision, ack=ack
                    )
                else:
                    await self._api.transfer_room(
                        room_id=room_id,
                        to={"departmentId": target},
                        comment=comment,
                        if_revision=room.revision,
                        ack=ack,
                    )
            except StaleRevision:
                continue
            except DepartmentDisabled:
                target = None
                continue
            except (RoomClosed, RoomNotAssigned):
                _log.info("room %s is not assigned any more", room_id)
            return

    async def close(self, room_id: str, assignment: str, comment: str, ack: Ack | None = None) -> None:
        """Close the room of this assignment."""
        while (room := await self._mine(room_id, assignment)) is not None:
            try:
                await self._api.close_room(room_id=room_id, comment=comment, if_revision=room.revision, ack=ack)
            except StaleRevision:
                continue
            except RoomClosed:
                _log.info("room %s is closed already", room_id)
            return

    async def _mine(self, room_id: str, assignment: str) -> RoomNow | None:
        """The room, if it is in this assignment of the bridge's agent now."""
        room = await self.rooms.room(room_id)
        mine = room is not None and room.open and (room.served_by, room.assignment) == (self.agent_user_id, assignment)
        return room if mine else None
