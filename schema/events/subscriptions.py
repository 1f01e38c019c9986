"""Subscriptions to the event log: events after a position, and then new events."""

from collections.abc import AsyncGenerator
from typing import Annotated, TypeVar, cast

import strawberry

from resolvers import events
from resolvers.consumers.consumers import require_own_name
from resolvers.consumers.leases import DEFAULT_IN_FLIGHT
from schema.base.fields import api_type, subscription_field
from schema.base.filters import RoomFilter, optional
from schema.base.scalars import Cursor
from schema.events.event_types import Event, EventType
from schema.events.queries import AfterEvent, Types, Where, fact_tags
from schema.events.room_events import (
    AgentAssigned,
    AgentUnassigned,
    MessageSent,
    RoomClosed,
    RoomStarted,
    RoutingRequested,
)
from schema.execution.context import Info
from storage.facts import AnyFact

Delivered = TypeVar("Delivered", bound=Event)


@api_type
class EventSubscriptions:
    """Subscriptions to events."""

    @subscription_field(events.subscribe)
    async def room_started(
        self, info: Info, where: Where = None, after: AfterEvent = None
    ) -> AsyncGenerator[RoomStarted, None]:
        """Rooms that start, before they are routed."""
        return _deliver(RoomStarted, await _subscribe(info, [EventType.ROOM_STARTED], where, after))

    @subscription_field(events.subscribe)
    async def routing_requested(
        self, info: Info, where: Where = None, after: AfterEvent = None
    ) -> AsyncGenerator[RoutingRequested, None]:
        """Rooms that wait for an app to decide who serves them. An app that chooses agents subscribes to it."""
        return _deliver(RoutingRequested, await _subscribe(info, [EventType.ROUTING_REQUESTED], where, after))

    @subscription_field(events.subscribe, visitors=True)
    async def agent_assigned(
        self, info: Info, where: Where = None, after: AfterEvent = None
    ) -> AsyncGenerator[AgentAssigned, None]:
        """Rooms that get an agent, with any cause."""
        return _deliver(AgentAssigned, await _subscribe(info, [EventType.AGENT_ASSIGNED], where, after))

    @subscription_field(events.subscribe, visitors=True)
    async def agent_unassigned(
        self, info: Info, where: Where = None, after: AfterEvent = None
    ) -> AsyncGenerator[AgentUnassigned, None]:
        """Rooms that lose their agent, with any cause, including closed rooms."""
        return _deliver(AgentUnassigned, await _subscribe(info, [EventType.AGENT_UNASSIGNED], where, after))

    @subscription_field(events.subscribe, visitors=True)
    async def room_closed(
        self, info: Info, where: Where = None, after: AfterEvent = None
    ) -> AsyncGenerator[RoomClosed, None]:
        """Rooms that are closed."""
        return _deliver(RoomClosed, await _subscribe(info, [EventType.ROOM_CLOSED], where, after))

    @subscription_field(events.subscribe_messages, visitors=True)
    async def message_sent(
        self, info: Info, where: Where = None, after: AfterEvent = None
    ) -> AsyncGenerator[MessageSent, None]:
        """Messages that are sent in rooms."""
        after_event = info.context.resume_after or after
        source = await events.subscribe_messages(
            info.context.resolver_context,
            where=optional(where),
            after=after_event,
            follower=info.context.follower,
        )
        return _deliver(MessageSent, source)

    @subscription_field(events.subscribe, visitors=True)
    async def events(
        self,
        info: Info,
        types: Types = None,
        where: Where = None,
        after: AfterEvent = None,
        consumer: Annotated[
            str | None,
            strawberry.argument(
                description=(
                    "The name of a consumer, for which the server stores what you have acknowledged. The first "
                    "subscription with the name begins after `after`, or now. Later ones send what was not "
                    "acknowledged, and then new events. They refuse another `after` than the first one "
                    "(`INVALID_INPUT`). `CONSUMER_BUSY` if another connection has the consumer."
                )
            ),
        ] = None,
        not_by_me: Annotated[
            bool, strawberry.argument(description="Whether to leave out the events that you caused yourself.")
        ] = False,
        max_in_flight: Annotated[
            int,
            strawberry.argument(
                description=(
                    "For a consumer: how many events it is sent, counted from the first one that is not acknowledged, "
                    "before the subscription waits for acknowledgements. 1 to 10,000 (`INVALID_INPUT`)."
                )
            ),
        ] = DEFAULT_IN_FLIGHT,
    ) -> AsyncGenerator[Event, None]:
        """All events, or those that match the arguments."""
        return _deliver(
            Event,
            await _subscribe(
                info, types, where, after, consumer=consumer, not_by_me=not_by_me, max_in_flight=max_in_flight
            ),
        )


async def _subscribe(
    info: Info,
    types: list[EventType] | None,
    where: RoomFilter | None,
    after: Cursor | None,
    *,
    consumer: str | None = None,
    not_by_me: bool = False,
    max_in_flight: int = DEFAULT_IN_FLIGHT,
) -> AsyncGenerator[AnyFact, None]:
    if consumer is not None:
        require_own_name(consumer)
    if info.context.webhook_consumer is not None:
        consumer, max_in_flight = info.context.webhook_consumer, 1
    after_event = after if consumer is not None else info.context.resume_after or after
    return await events.subscribe(
        info.context.resolver_context,
        types=fact_tags(types),
        where=optional(where),
        after=after_event,
        consumer=consumer,
        not_by_me=not_by_me,
        max_in_flight=max_in_flight,
        follower=info.context.follower,
    )


def _deliver(kind: type[Delivered], source: AsyncGenerator[AnyFact, None]) -> AsyncGenerator[Delivered, None]:
    """The facts, typed as events. deliveries.py converts each fact to an event, once for all subscribers with the same
    selection."""
    return cast(AsyncGenerator[Delivered, None], source)
