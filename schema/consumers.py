"""Consumers: named positions in the event log, stored by the server. The type, the list, and the mutations."""

from datetime import datetime
from typing import Self

import strawberry

from resolvers import consumer_lag
from resolvers.consumers import consumers
from schema.base.fields import api_input, api_type, field, mutation_field, query_field
from schema.base.mutation_types import Input, MutationInputWithoutAck, MutationPayload
from schema.base.scalars import Cursor, Long
from schema.execution.context import Info


@api_type
class Consumer:
    """A named position in the event log. It belongs to the app or user that first subscribed with it; others may have a
    consumer of the same name."""

    name: str
    """The name."""
    acked_cursor: Cursor
    """The position: the consumer's next subscription begins after it. Every event up to it was acknowledged or is not
    for this consumer."""
    connected: bool
    """Whether a subscription with this consumer is running. Only one can run at a time (`CONSUMER_BUSY`)."""
    last_seen_at: datetime | None
    """When the consumer last subscribed, acknowledged an event, or renewed its lease."""
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
        """The number of events for this consumer that are not acknowledged.

        An event is for this consumer if its last subscription selects the event and you may read it. If more than
        10,000 events have to be checked, the others are counted by their type alone.
        """
        return Long(await consumer_lag.count(info.context.resolver_context, self.status))


@api_type
class ConsumerQueries:
    """Queries of consumers."""

    @query_field(consumers.list_consumers)
    async def consumers(self, info: Info) -> list[Consumer] | None:
        """Your consumers, ordered by name."""
        return [
            Consumer.from_status(status) for status in await consumers.list_consumers(info.context.resolver_context)
        ]


# ---------------------------------------------------------------- mutations


@api_input
class AckEventsInput(MutationInputWithoutAck):
    """Input of `ackEvents`."""

    consumer: str
    """The name of the consumer. `NOT_FOUND` if you have no consumer of this name."""
    cursor: Cursor
    """The cursor of the last event that was processed. `INVALID_CURSOR` if it is not the cursor of an event, or of a
    future one."""
    only: bool = False
    """Acknowledges this event alone, so that events can be processed in any order. Otherwise, it and all events before
    it."""


@api_input
class RemoveConsumerInput(MutationInputWithoutAck):
    """Input of `removeConsumer`."""

    consumer: str
    """The name of the consumer. `NOT_FOUND` if you have no consumer of this name."""


@api_type
class AckEventsPayload(MutationPayload):
    """Result of `ackEvents`."""

    consumer: Consumer
    """The consumer after the change."""


@api_type
class RemoveConsumerPayload(MutationPayload):
    """Result of `removeConsumer`."""

    removed_name: str
    """The name of the removed consumer."""


@api_type
class ConsumerMutations:
    """Mutations of consumers."""

    @mutation_field(consumers.ack_events)
    async def ack_events(self, info: Info, input: Input[AckEventsInput]) -> AckEventsPayload | None:
        """Acknowledges an event and all events before it, or with `only` this event alone. The consumer's next
        subscription leaves out what was acknowledged.

        Events that were acknowledged before do not change.
        """
        status = await consumers.ack_events(
            info.context.mutation(input), consumer=input.consumer, cursor=input.cursor, only=input.only
        )
        return AckEventsPayload(consumer=Consumer.from_status(status), client_mutation_id=input.client_mutation_id)

    @mutation_field(consumers.remove_consumer)
    async def remove_consumer(self, info: Info, input: Input[RemoveConsumerInput]) -> RemoveConsumerPayload | None:
        """Removes a consumer and its position. A subscription may then create it again at another position.

        `CONSUMER_BUSY` while a subscription with this consumer is running.
        """
        name = await consumers.remove_consumer(info.context.mutation(input), consumer=input.consumer)
        return RemoveConsumerPayload(removed_name=name, client_mutation_id=input.client_mutation_id)
