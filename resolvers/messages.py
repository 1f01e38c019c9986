"""Messages: operations that list and send them."""

from collections.abc import Sequence

from typing_extensions import Unpack

from resolvers import validation
from resolvers.auth import access
from resolvers.context import Context
from resolvers.operations import MutationContext, mutation, query
from resolvers.room_transition import RoomTransition
from storage import messages, rooms
from storage.errors import Forbidden, Invalid, NotFound, RoomClosed
from storage.filters.expressions import EVERYTHING
from storage.filters.predicates import matches
from storage.mongo.connection import new_id
from storage.mongo.pagination import Page, PageArguments
from storage.records import Actor, ActorType, Message, RoomSnapshot, RoomStatus


@query("rooms:read", "messages:read")
async def find_many(context: Context, ids: Sequence[str]) -> dict[str, Message]:
    """Messages by id; those that do not exist, or whose room the caller may not see, are absent."""
    found = await messages.get_many(context.reader, ids)
    seen = await _visible_room_ids(context, list({message.room_id for message in found.values()}))
    return {message_id: message for message_id, message in found.items() if message.room_id in seen}


@query("messages:read")
async def list_messages(
    context: Context, room_ids: Sequence[str], **page: Unpack[PageArguments]
) -> dict[str, Page[Message]]:
    """For each room, a page of its messages, oldest first. Empty for a room that the caller may not see.

    The number of round trips does not depend on the number of rooms.
    """
    request = validation.page(**page)
    visible = await _visible_room_ids(context, room_ids)
    pages = await messages.read_pages(context.reader, visible, page=request) if visible else {}
    return {room_id: pages.get(room_id, _EMPTY_PAGE) for room_id in room_ids}


async def _visible_room_ids(context: Context, room_ids: Sequence[str]) -> list[str]:
    """The ids of the rooms that the caller may see now.

    An event can show a room that the caller could see when the event was recorded and cannot see now.
    """
    visible = access.visible_rooms(context.caller)
    if visible == EVERYTHING:
        return list(room_ids)
    found = await rooms.get_many(context.reader, room_ids)
    return [room_id for room_id in room_ids if room_id in found and matches(visible, found[room_id])]


async def _no_messages() -> int:
    return 0


_EMPTY_PAGE: Page[Message] = Page(items=[], cursors=[], has_next=False, has_previous=False, total=_no_messages)


@mutation("messages:write", lock=("room", "room_id"))
async def send_message(
    change: MutationContext,
    *,
    room_id: str,
    text: str,
    as_user_id: str | None = None,
    as_visitor_token: str | None = None,
) -> Message:
    """Send a message in an open room. Only an app can send it as the room's agent or visitor."""
    validation.text(text, "text", max_characters=validation.MAX_MESSAGE_CHARACTERS)
    tx = change.tx
    snapshot = await rooms.get_snapshot(tx, room_id)
    if not matches(access.visible_rooms(change.caller), snapshot.room):
        raise NotFound("room", room_id, key="roomId")
    if snapshot.room.status is RoomStatus.CLOSED:
        raise RoomClosed("The room is closed and takes no messages; start another room.")
    sender = sender_of(change, snapshot, as_user_id, as_visitor_token)
    transition = RoomTransition(tx, snapshot)
    number = snapshot.room.message_count + 1
    message = Message(id=new_id(tx.now), room_id=room_id, number=number, text=text, sender=sender, sent_at=tx.now)
    transition.send(message)
    await rooms.update(tx, snapshot.room, transition.room, transition.facts)
    messages.insert(tx, message)
    return message


def sender_of(change: MutationContext, snapshot: RoomSnapshot, user_id: str | None, visitor_token: str | None) -> Actor:
    """Who the caller speaks as in the room. Raises Forbidden or Invalid if it may not."""
    if user_id is None and visitor_token is None:
        return change.actor
    if change.actor.type is not ActorType.APP:
        if user_id == change.actor.id:
            return change.actor
        raise Forbidden("Only an app can send a message as another user or as a visitor.")
    if visitor_token is not None:
        if visitor_token != snapshot.visitor.token:
            raise Invalid("as.visitorToken must be the token of the room's visitor.", key="as.visitorToken")
        return Actor(type=ActorType.VISITOR, id=snapshot.visitor.id, name=snapshot.visitor.name)
    agent = snapshot.served_by
    if agent is None or agent.id != user_id:
        raise Invalid("as.userId must be the id of the agent that serves the room.", key="as.userId")
    return Actor(type=ActorType.USER, id=agent.id, name=agent.username)
