"""Consumers: named positions in the event log, stored by the server. The type, the list, and the mutations."""

import asyncio
from datetime import datetime
from typing import Self

import strawberry

from resolvers import consumer_lag
from resolvers.consumers import consumers
from schema.actors import Actor
from schema.base import ids
from schema.base.fields import api_input, api_type, field, mutation_field, query_field
from schema.base.mutation_types import Input, MutationInputWithoutAck, MutationPayload
from schema.base.scalars import Cursor, Long
from schema.execution.context import Info


class LagCounter:
    """Counts the events of one consumer once for all fields that show them."""

    def __init__(self, status: consumers.ConsumerStatus, budget: consumer_lag.ScanBudget) -> None:
        self._status = status
        self._budget = budget
        self._counting: asyncio.Future[consumer_lag.Lag] | None = None

    async def get(self, info: Info) -> consumer_lag.Lag:
        """The events for the consumer that are not acknowledged."""
        if self._counting is None:
            counting = consumer_lag.count(info.context.resolver_context, self._status, self._budget)
            self._counting = asyncio.ensure_future(counting)
        return await self._counting


@api_type
class Consumer:
    """A named position in the event log. It belongs to the app or user that first subscribed with it; others may have a
    consumer of the same name."""

    name: str
    """The name."""
    owner: Actor
    """The app or user to which it belongs."""
    acked_cursor: Cursor
    """Every event up to it was acknowledged or is not for this consumer. Later events may be acknowledged by
    themselves."""
    connected: bool
    """Whether a subscription with this consumer is running. Only one can run at a time (`CONSUMER_BUSY`)."""
    last_seen_at: datetime | None
    """When the consumer last subscribed, acknowledged events up to a cursor, or renewed its lease."""
    counter: strawberry.Private[LagCounter]

    @classmethod
    def from_status(cls, status: consumers.ConsumerStatus, budget: consumer_lag.ScanBudget | None = None) -> Self:
        return cls(
            name=status.name,
            owner=Actor.from_record(status.owner),
            acked_cursor=Cursor(status.acked_cursor),
            connected=status.connected,
            last_seen_at=status.last_seen_at,
            counter=LagCounter(status, budget or consumer_lag.ScanBudget()),
        )

    @field
    async def lag(self, info: Info) -> Long:
        """The number of events for this consumer that are not acknowledged.

        An event is for this consumer if its last subscription selects the event and its owner may read it. If more than
        10,000 events have to be checked for all consumers of the answer, the others are counted by their type alone.
        """
        return Long((await self.counter.get(info)).total)

    @field
    async def in_flight(self, info: Info) -> int:
        """The number of events in `lag` that the last subscription was sent. A subscription waits when this number is
        `maxInFlight`. Another server sees it with a delay of a second."""
        return (await self.counter.get(info)).in_flight


@api_type
class ConsumerQueries:
    """Queries of consumers."""

    @query_field(consumers.list_consumers)
    async def consumers(self, info: Info) -> list[Consumer] | None:
        """Your consumers, ordered by name. With the scope `admin`: those of everybody, ordered by owner and name, up to
        10,000."""
        budget = consumer_lag.ScanBudget()
        return [
            Consumer.from_status(status, budget)
            for status in await consumers.list_consumers(info.context.resolver_context)
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
    """The name of the consumer. `NOT_FOUND` if there is no consumer of this name."""
    owner_id: strawberry.ID | None = None
    """The app or user to which the consumer belongs, if it is not yours. `FORBIDDEN` without the scope `admin`."""


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
        """Removes a consumer, its position and its acknowledgements. A subscription may then create it
        again at another position.

        `CONSUMER_BUSY` while a subscription with this consumer is running.
        """
        name = await consumers.remove_consumer(
            info.context.mutation(input),
            consumer=input.consumer,
            owner_id=ids.parse_actor(input.owner_id, "ownerId"),
        )
        return RemoveConsumerPayload(removed_name=name, client_mutation_id=input.client_mutation_id)
