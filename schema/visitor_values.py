"""What visitors see of fields of which they see a part: no login names, nothing of notes, only ids of their own."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from schema.base import ids
from schema.base.loaders import PageKey
from schema.base.visitor_table import FIELDS
from schema.execution.context import RequestContext
from storage.records import ActorType


def _actor_name(actor: Any, context: RequestContext) -> str | None:
    """The name of a visitor. That of a user is its login name, and that of an app is for staff."""
    name: str | None = actor.name if actor.type is ActorType.VISITOR else None
    return name


def _client_mutation_id(event: Any, context: RequestContext) -> str | None:
    """The id that the visitor itself gave. Others may name systems of the deployment."""
    own: str | None = event.client_mutation_id if event.actor.type is ActorType.VISITOR else None
    return own


async def _last_message_at(room: Any, context: RequestContext) -> datetime | None:
    """When the newest message that the visitor may see was sent."""
    page = await context.loaders.messages_of_rooms.load(PageKey(room.record.id, None, None, 1, None))
    return page.items[-1].sent_at if page.items else None


def _in_reply_to_id(message: Any, context: RequestContext) -> Any:
    """The id of the message that is replied to, unless it is a note."""
    replied_to = message.in_reply_to_id
    return None if replied_to is None else _if_visible(replied_to, replied_to, context)


def _choice(message: Any, context: RequestContext) -> Any:
    """The choice that a message answers with, unless a note offered it."""
    choice = message.choice
    return None if choice is None else _if_visible(choice, choice.message_id, context)


async def _if_visible(value: Any, message_id: str, context: RequestContext) -> Any:
    """The value, if the visitor may see the message that it refers to."""
    found = await context.loaders.messages.load(ids.MESSAGE.parse(message_id, "id"))
    return None if found is None else value


#: The functions by `Type.field`. Each takes the object and the `context` of the operation.
VALUES: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "Actor.name": _actor_name,
        "Room.lastMessageAt": _last_message_at,
        "MessageSnapshot.inReplyToId": _in_reply_to_id,
        "Message.choice": _choice,
        "MessageSnapshot.choice": _choice,
        **{
            f"{kind}.clientMutationId": _client_mutation_id
            for kind, fields in FIELDS.items()
            if {"occurredAt", "clientMutationId"} <= fields
        },
    }
)
