"""What all mutations have in common. Each mutation is declared in the module of its noun."""

from typing import Annotated, TypeVar

import strawberry
from typing_extensions import override

from resolvers import context
from schema.base.fields import api_input, api_type
from schema.base.scalars import Cursor

T = TypeVar("T")

Input = Annotated[T, strawberry.argument(description="The arguments of the mutation.")]


@api_input
class EventAck:
    """One event that a mutation acknowledges: both happen in one transaction, or neither does."""

    consumer: str
    """The name of your consumer for which you handle the event. `NOT_FOUND` if you have no consumer of this name."""
    cursor: Cursor
    """The cursor of the event. `INVALID_CURSOR` if it is not the cursor of an event, or of a future one."""


@api_input
class MutationInputWithoutAck:
    """The fields that the input of every mutation has."""

    client_mutation_id: str | None = None
    """An id of your choice, 1 to 128 characters: for 24 hours, the same mutation with the same id and the same
    arguments returns the first result instead of running again."""

    def event_ack(self) -> context.EventAck | None:
        """The event that the mutation acknowledges."""
        return None


@api_input
class MutationInput(MutationInputWithoutAck):
    """The fields that the inputs of most mutations have."""

    ack: EventAck | None = None
    """The event to which you react with this mutation. It is acknowledged if the mutation succeeds, and only then, so
    that the effect of the event is taken once. `ALREADY_ACKNOWLEDGED` if it was acknowledged before: then the mutation
    changes nothing. Needs the scope `events:read`."""

    @override
    def event_ack(self) -> context.EventAck | None:
        return None if not self.ack else context.EventAck(self.ack.consumer, self.ack.cursor)


@api_type
class MutationPayload:
    """The fields that the payload of every mutation has."""

    client_mutation_id: str | None
    """The `clientMutationId` of the input."""
