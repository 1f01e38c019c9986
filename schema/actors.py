"""Who does things: apps, users, visitors and the system itself."""

from typing import Self

import strawberry

from resolvers.auth import access
from schema.base import ids
from schema.base.fields import api_type, describe_enum, query_field
from schema.execution.context import Info
from storage import records

describe_enum(
    records.ActorType,
    "The kinds of those who can cause something.",
    APP="A program with a token of its own.",
    USER="A person or bot who has signed in.",
    VISITOR="Somebody who talks to you from outside.",
    SYSTEM="Switchboard itself: routing, and what happens by the passing of time.",
)


@api_type
class Actor:
    """Who did something, with the name they had when they did it."""

    type: records.ActorType
    """What kind of actor it is, and so what `id` is the id of."""
    id: strawberry.ID | None
    """The id of the app, user or visitor; null for the system."""
    name: str | None
    """The app's name, the user's username or the visitor's name at that time; null for the system and the nameless."""

    @classmethod
    def from_record(cls, actor: records.Actor) -> Self:
        return cls(type=actor.type, id=ids.of_actor(actor.type, actor.id), name=actor.name)


@api_type
class ActorQueries:
    """Who is asking."""

    @query_field(access.viewer)
    async def viewer(self, info: Info) -> Actor:
        """Whom your token stands for. The simplest way to see whether a token is still good."""
        return Actor.from_record(access.viewer(info.context.resolver_context.caller))
