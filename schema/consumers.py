"""Consumers: named positions in the event log that the server keeps for a reader."""

from datetime import datetime
from typing import Self

import strawberry

from resolvers import consumer_lag
from resolvers.consumers import consumers
from schema.base.fields import api_input, api_type, field, mutation_field, query_field
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.base.scalars import Cursor, Long
from schema.execution.context import Info


@api_type
class Consumer:
    """A named position in the event log. It belongs to whoever first subscribed with it; others may use the same
    name."""

    name: str
    """What it is called."""
    acked_cursor: Cursor
    """Everything up to it is acknowledged, or not for this consumer: its next subscription goes on after it."""
    connected: bool
    """Whether a subscription reads for it now. There can be one at a time (`CONSUMER_BUSY`)."""
    last_seen_at: datetime | None
    """When it last subscribed, acknowledged or showed a sign of life."""
    status: strawberry.Private[consumers.ConsumerStatus]

    @classmethod
    def from_status(cls, status: consumers.ConsumerStatus) -> Self:
        return cls(
            name=status.name,
            acked_cursor=Cursor(status.acked_cursor),
            connected=status.connected,
            last_seen_at=status.last_seen_at,
            status=status,
        )

    @field
    async def lag(self, info: Info) -> Long:
        """How many events wait for it: those that are for it and not acknowledged. 0 when nothing waits.

        For it are those that its last subscription asked for, and that you may read. Beyond 10,000 events that have to
        be looked at, the rest counts by type alone.
        """
        return Long(await consumer_lag.count(info.context.resolver_context, self.status))


@api_type
class ConsumerQueries:
    """Reading consumers."""

    @query_field(consumers.list_consumers)
    async def consumers(self, info: Info) -> list[Consumer]:
        """Your own consumers, in the order of their names."""
        return [
            Consumer.from_status(status) for status in await consumers.list_consumers(info.context.resolver_context)
        ]


# ---------------------------------------------------------------- mutations


@api_input
class AckEventsInput(MutationInput):
    """How far a consumer has come."""

    consumer: str
    """The name of the consumer; `NOT_FOUND` when you have none of that name."""
    cursor: Cursor
    """The cursor of the last event that was dealt with; `INVALID_CURSOR` when it is no event's, or of none yet."""


@api_input
class RemoveConsumerInput(MutationInput):
    """A consumer that is no longer needed."""

    consumer: str
    """The name of the consumer; `NOT_FOUND` when you have none of that name."""


@api_type
class AckEventsPayload(MutationPayload):
    """The consumer where it is now."""

    consumer: Consumer
    """The consumer, with what is acknowledged."""


@api_type
class RemoveConsumerPayload(MutationPayload):
    """The consumer that is gone."""

    removed_name: str
    """What it was called."""


@api_type
class ConsumerMutations:
    """Changing consumers."""

    @mutation_field(consumers.ack_events)
    async def ack_events(self, info: Info, input: Input[AckEventsInput]) -> AckEventsPayload | None:
        """Says that a consumer has dealt with an event and all before it: its next subscription goes on after that one.

        A position never moves back: an older cursor than the acknowledged one changes nothing.
        """
        status = await consumers.ack_events(
            info.context.mutation(input.client_mutation_id), consumer=input.consumer, cursor=input.cursor
        )
        return AckEventsPayload(consumer=Consumer.from_status(status), client_mutation_id=input.client_mutation_id)

    @mutation_field(consumers.remove_consumer)
    async def remove_consumer(self, info: Info, input: Input[RemoveConsumerInput]) -> RemoveConsumerPayload | None:
        """Forgets a consumer and its position, also to start it anew somewhere else.

        `CONSUMER_BUSY` while a subscription reads for it.
        """
        name = await consumers.remove_consumer(info.context.mutation(input.client_mutation_id), consumer=input.consumer)
        return RemoveConsumerPayload(removed_name=name, client_mutation_id=input.client_mutation_id)
