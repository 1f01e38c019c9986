"""Actors: apps, users, visitors and the system, as the causes of events and the senders of messages."""

from typing import Self

import strawberry

from schema.base import ids
from schema.base.fields import api_type, describe_enum
from storage import records

describe_enum(
    records.ActorType,
    "The kinds of actors.",
    APP="An app: a program with its own token.",
    USER="A logged-in user: a person or a bot.",
    VISITOR="A visitor.",
    SYSTEM="Switchboard itself: routing, timeouts and expired leases.",
)


@api_type
class Actor:
    """The app, user or visitor who did something, or the system, with the name at that time."""

    type: records.ActorType
    """The kind of actor."""
    id: strawberry.ID | None
    """The id of the app, user or visitor. Null for the system."""
    name: str | None
    """The app's name, the user's username or the visitor's name at that time. Null for the system and for a visitor
    without a name."""

    @classmethod
    def from_record(cls, actor: records.Actor) -> Self:
        return cls(type=actor.type, id=ids.format_actor(actor.type, actor.id), name=actor.name)
