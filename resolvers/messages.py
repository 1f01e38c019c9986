"""Messages: operations that list, send, edit and redact them."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType
from typing_extensions import Unpack

from resolvers import message_content, names, validation
from resolvers.auth import access
from resolvers.auth.access import Caller
from resolvers.context import Context
from resolvers.operations import MutationContext, mutation, query
from resolvers.room_transition import RoomTransition
from storage import messages, rooms
from storage.errors import Forbidden, Invalid, NotFound, RoomClosed, listed, quoted
from storage.filters.expressions import EVERYTHING
from storage.filters.predicates import matches
from storage.message_records import Attachment, Audience, Choice, ChosenOption, Message
from storage.mongo.connection import new_id
from storage.mongo.pagination import Page, PageArguments
from storage.records import Actor, ActorType, RoomSnapshot, RoomStatus
from storage.transactions import idempotency

replace = msgspec.structs.replace


#: A redaction changes the facts about all edits of a message, so their number is bounded.
MAX_EDITS = 1_000


class Option(NamedTuple):
    """A choice of an earlier message, as a client names it."""

    message_id: str
    choice_id: str


@query("rooms:read", "messages:read", visitors=True)
async def find_many(context: Context, ids: Sequence[str]) -> dict[str, Message]:
    """Messages by id; those that do not exist, or that the caller may not see, are absent."""
    found = await messages.get_many(context.reader, ids)
    readable = [message for message in found.values() if _is_readable(context.caller, message)]
    seen = await _visible_room_ids(context, list({message.room_id for message in readable}))
    return {message.id: message for message in readable if message.room_id in seen}


@query("messages:read", visitors=True)
async def list_messages(
    context: Context, room_ids: Sequence[str], **page: Unpack[PageArguments]
) -> dict[str, Page[Message]]:
    """For each room, a page of the messages that the caller may see, oldest first.

    The number of round trips does not depend on the number of rooms.
    """
    request = validation.page(**page)
    visible = await _visible_room_ids(context, room_ids)
    if not visible:
        return dict.fromkeys(room_ids, _EMPTY_PAGE)
    notes = access.sees_notes(context.caller)
    pages = await messages.read_pages(context.reader, visible, page=request, notes=notes)
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


def _is_readable(caller: Caller, message: Message) -> bool:
    return message.audience is Audience.EVERYONE or access.sees_notes(caller)


async def _no_messages() -> int:
    return 0


_EMPTY_PAGE: Page[Message] = Page(items=[], cursors=[], has_next=False, has_previous=False, total=_no_messages)


# ---------------------------------------------------------------- sending


@mutation("messages:write", lock=("room", "room_id"), visitors=True)
async def send_message(
    change: MutationContext,
    *,
    room_id: str,
    text: str,
    as_user_id: str | None = None,
    as_visitor_token: str | None = None,
    audience: Audience = Audience.EVERYONE,
    choices: Sequence[Choice] | None = None,
    choice: Option | None = None,
    attachments: Sequence[Attachment] | None = None,
    data: object = None,
    in_reply_to_id: str | None = None,
) -> Message:
    """Send a message in an open room. Only an app can send it as the room's agent or visitor.

    An empty text with a `choice` becomes the label of the choice.
    """
    offered, files = message_content.choices(choices), message_content.attachments(attachments)
    data_json = message_content.data(data)
    has_content = bool(offered or files) or data_json is not None or choice is not None
    message_content.text(text, has_other_content=has_content)
    tx = change.tx
    snapshot = await _get_open_room(change, room_id)
    sender = sender_of(change, snapshot, as_user_id, as_visitor_token)
    if audience is Audience.STAFF and sender.type is ActorType.VISITOR:
        raise Invalid("audience cannot be STAFF for a message of a visitor, who would not see it.", key="audience")
    # Read after the room: a change of a message changes its room too, and then this attempt is not committed.
    chosen, answered = await _referenced(change, snapshot, sender, choice, in_reply_to_id)
    transition = RoomTransition(tx, snapshot)
    message = Message(
        id=new_id(tx.now),
        room_id=room_id,
        number=snapshot.room.message_count + 1,
        text=text or (chosen.label if chosen is not None else ""),
        sender=sender,
        sent_by_app_id=None if sender == change.actor else change.actor.id,
        sent_at=tx.now,
        audience=audience,
        choices=offered,
        choice=chosen,
        attachments=files,
        data_json=data_json,
        in_reply_to_id=None if answered is None else answered.id,
    )
    message_content.require_storable(message)
    transition.send(message)
    await rooms.update(tx, snapshot.room, transition.room, transition.facts)
    messages.insert(tx, message)
    return message


async def _get_open_room(change: MutationContext, room_id: str) -> RoomSnapshot:
    """The room to send a message in. Raises NotFound if the caller may not see it, and RoomClosed."""
    newest = change.context.services.agent_cache.newest
    snapshot = await rooms.get_recent_snapshot(change.tx, room_id, newest=newest)
    if not matches(access.visible_rooms(change.caller), snapshot.room):
        raise NotFound("room", room_id, key="roomId")
    if snapshot.room.status is RoomStatus.CLOSED:
        raise RoomClosed("The room is closed and takes no messages; start another room.")
    return snapshot


def sender_of(change: MutationContext, snapshot: RoomSnapshot, user_id: str | None, visitor_token: str | None) -> Actor:
    """The sender of a message of the caller in the room. Raises Forbidden or Invalid if the caller may not use it."""
    if user_id is None and visitor_token is None:
        return change.actor
    if change.actor.type is not ActorType.APP:
        if user_id == change.actor.id:
            return change.actor
        raise Forbidden("Only an app can send a message as another user or as a visitor.")
    if visitor_token is not None:
        if snapshot.visitor.token not in names.forms(visitor_token):
            raise Invalid("as.visitorToken must be the token of the room's visitor.", key="as.visitorToken")
        return Actor(type=ActorType.VISITOR, id=snapshot.visitor.id, name=snapshot.visitor.name)
    agent = snapshot.served_by
    if agent is None or agent.id != user_id:
        raise Invalid("as.userId must be the id of the agent that serves the room.", key="as.userId")
    return Actor(type=ActorType.USER, id=agent.id, name=agent.username)


async def _referenced(
    change: MutationContext,
    snapshot: RoomSnapshot,
    sender: Actor,
    option: Option | None,
    in_reply_to_id: str | None,
) -> tuple[ChosenOption | None, Message | None]:
    """The choice that a new message answers with, and the message that it replies to."""
    ids = [one for one in (option and option.message_id, in_reply_to_id) if one is not None]
    if not ids:
        return None, None
    found = await messages.get_many(change.tx, ids)

    async def shown_to_sender(message_id: str, key: str) -> Message:
        return await require_shown_to_sender(change, snapshot, sender, found.get(message_id), message_id, key)

    chosen = None
    if option is not None:
        offering = await shown_to_sender(option.message_id, "choice.messageId")
        chosen = next(
            (
                ChosenOption(message_id=offering.id, choice_id=one.id, label=one.label)
                for one in offering.choices
                if one.id == option.choice_id
            ),
            None,
        )
        if chosen is None:
            validation.text(
                option.choice_id, "choice.choiceId", max_characters=message_content.MAX_CHOICE_ID_CHARACTERS
            )
            offers = listed([one.id for one in offering.choices]) if offering.choices else "nothing"
            raise Invalid(
                f"choice.choiceId must be the id of a choice that the message offers; it offers {offers}, not "
                f"{quoted(option.choice_id)}.",
                key="choice.choiceId",
            )
    answered = None if in_reply_to_id is None else await shown_to_sender(in_reply_to_id, "inReplyTo")
    return chosen, answered


async def require_shown_to_sender(
    change: MutationContext,
    snapshot: RoomSnapshot,
    sender: Actor,
    message: Message | None,
    message_id: str,
    key: str,
) -> Message:
    """The message of the room that the sender names. Raises NotFound if the caller may not see it, and Invalid if it is
    of another room or hidden from the sender."""
    message = await _required(change, message, message_id, key)
    if message.room_id != snapshot.room.id:
        raise Invalid(f"{key} must be the id of a message of the same room; this one is of another.", key=key)
    if message.audience is Audience.STAFF and sender.type is ActorType.VISITOR:
        raise Invalid(f"{key} must be the id of a message that the visitor sees; this one is for STAFF.", key=key)
    return message


async def _required(change: MutationContext, message: Message | None, message_id: str, key: str) -> Message:
    """The message. Raises NotFound when there is none that the caller may see."""
    # The room is looked for in all cases, so that the time does not show whether there is a message.
    seen = await _visible_room_ids(change.context, [] if message is None else [message.room_id])
    if message is None or not seen or not _is_readable(change.caller, message):
        raise NotFound("message", message_id, key=key)
    return message


# ---------------------------------------------------------------- editing and redacting


@mutation("messages:write", visitors=True)
async def edit_message(
    change: MutationContext,
    *,
    message_id: str,
    text: str,
    choices: Sequence[Choice] | UnsetType | None = UNSET,
    data: object = UNSET,
) -> Message:
    """Replace the text of a message, its choices and its data, also in a closed room. UNSET leaves them as they are.

    Without a change, no fact is recorded.
    """
    offered = choices if choices is UNSET else message_content.choices(choices)
    data_json = data if data is UNSET else message_content.data(data)
    message, snapshot = await _get_changeable(change, message_id)
    if not _is_sender(change.actor, message):
        raise Forbidden("Only the sender of a message can edit it, or the app that sent it in the name of its sender.")
    edited = replace(
        message,
        choices=message.choices if offered is UNSET else offered,
        data_json=message.data_json if data_json is UNSET else data_json,
    )
    has_content = bool(edited.choices or edited.attachments or edited.choice) or edited.data_json is not None
    message_content.text(text, has_other_content=has_content)
    edited = replace(edited, text=text or (edited.choice.label if edited.choice is not None else ""))
    if edited == message:
        # Writes the message, so that this attempt conflicts with a redaction that began after it read the message.
        # Otherwise the answer of this mutation would be recorded with the content, after the redaction erased answers.
        return messages.replace(change.tx, message, message)
    if message.edit_count >= MAX_EDITS:
        raise Invalid(
            f"The message was edited {MAX_EDITS:,} times, which is the limit; send another message.", key="messageId"
        )
    edited = replace(edited, edited_at=change.tx.now, edit_count=message.edit_count + 1)
    message_content.require_storable(edited)
    edited = messages.replace(change.tx, message, edited)
    transition = RoomTransition(change.tx, snapshot)
    transition.edit(edited, previous_text=message.text)
    await rooms.update(change.tx, snapshot.room, transition.room, transition.facts)
    return edited


@mutation("messages:write", visitors=True)
async def redact_message(change: MutationContext, *, message_id: str, reason: str | None = None) -> Message:
    """Remove the content of a message, also from recorded facts and answers, and in a closed room."""
    reason = validation.optional_text(reason, "reason")
    message, snapshot = await _get_changeable(change, message_id)
    if not _is_sender(change.actor, message) and not change.caller.has_scope("messages:moderate"):
        raise Forbidden(
            "This is a message of another sender; redacting it needs the scope messages:moderate, which this token "
            "does not have.",
            scope="messages:moderate",
        )
    redacted = messages.replace(change.tx, message, message.without_content(change.tx.now))
    idempotency.erase_message(change.tx, redacted)
    transition = RoomTransition(change.tx, snapshot)
    transition.redact(redacted, reason=reason)
    await rooms.update(change.tx, snapshot.room, transition.room, transition.facts)
    return redacted


async def _get_changeable(change: MutationContext, message_id: str) -> tuple[Message, RoomSnapshot]:
    """The message and its room.

    `messages.replace` notices another mutation that changes the message between this read and the commit.

    Raises NotFound when there is none that the caller may see, and Invalid when it is redacted.
    """
    message = (await messages.get_many(change.tx, [message_id])).get(message_id)
    # The room is looked for in all cases, so that the time does not show whether there is a message.
    room_id = message_id if message is None else message.room_id
    await change.tx.lock("room", room_id)
    snapshot = (await rooms.get_snapshots(change.tx, [room_id])).get(room_id)
    if (
        message is None
        or snapshot is None
        or not matches(access.visible_rooms(change.caller), snapshot.room)
        or not _is_readable(change.caller, message)
    ):
        raise NotFound("message", message_id, key="messageId")
    if message.redacted_at is not None:
        raise Invalid("The message is redacted, and cannot be changed any more.", key="messageId")
    return message, snapshot


def _is_sender(actor: Actor, message: Message) -> bool:
    """Whether the actor sent the message, in its own name or in that of another sender."""
    return (actor.type, actor.id) == (message.sender.type, message.sender.id) or (
        actor.type is ActorType.APP and actor.id == message.sent_by_app_id
    )
