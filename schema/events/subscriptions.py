"""Subscriptions: the event log, from a position on and then as it grows."""

from collections.abc import AsyncGenerator
from typing import Annotated, TypeVar, cast

import strawberry

from resolvers import events
from schema.base.fields import api_type, subscription_field
from schema.base.filters import RoomFilter, optional
from schema.base.scalars import Cursor
from schema.events.event_types import Event, EventType
from schema.events.queries import AfterEvent, Types, Where, fact_tags
from schema.events.room_events import AgentAssigned, AgentUnassigned, MessageSent, RoomClosed, RoomStarted
from schema.execution.context import Info
from storage.facts import AnyFact

Delivered = TypeVar("Delivered", bound=Event)


@api_type
class EventSubscriptions:
    """Events as they happen."""

    @subscription_field(events.subscribe)
    async def room_started(
        self, info: Info, where: Where = None, after: AfterEvent = None
    ) -> AsyncGenerator[RoomStarted, None]:
        """Conversations that begin, before routing looks for an agent: the moment to decide who should serve them."""
        return _deliver(RoomStarted, await _subscribe(info, [EventType.ROOM_STARTED], where, after))

    @subscription_field(events.subscribe)
    async def agent_assigned(
        self, info: Info, where: Where = None, after: AfterEvent = None
    ) -> AsyncGenerator[AgentAssigned, None]:
        """Rooms that get an agent, by whatever cause."""
        return _deliver(AgentAssigned, await _subscribe(info, [EventType.AGENT_ASSIGNED], where, after))

    @subscription_field(events.subscribe)
    async def agent_unassigned(
        self, info: Info, where: Where = None, after: AfterEvent = None
    ) -> AsyncGenerator[AgentUnassigned, None]:
        """Rooms that lose their agent, by whatever cause; on closing too."""
        return _deliver(AgentUnassigned, await _subscribe(info, [EventType.AGENT_UNASSIGNED], where, after))

    @subscription_field(events.subscribe)
    async def room_closed(
        self, info: Info, where: Where = None, after: AfterEvent = None
    ) -> AsyncGenerator[RoomClosed, None]:
        """Conversations that end."""
        return _deliver(RoomClosed, await _subscribe(info, [EventType.ROOM_CLOSED], where, after))

    @subscription_field(events.subscribe_messages)
    async def message_sent(
        self, info: Info, where: Where = None, after: AfterEvent = None
    ) -> AsyncGenerator[MessageSent, None]:
        """What is said in rooms."""
        after_event = info.context.resume_after or after
        source = await events.subscribe_messages(
            info.context.resolver_context, where=optional(where), after=after_event
        )
        return _deliver(MessageSent, source)

    @subscription_field(events.subscribe)
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
                    "A name under which the server keeps your position. The first subscription with it starts at "
                    "`after`, or now; later ones go on after what was last acknowledged with ackEvents, and refuse "
                    "`after` (`INVALID_INPUT`). One connection at a time: `CONSUMER_BUSY` for a second one."
                )
            ),
        ] = None,
    ) -> AsyncGenerator[Event, None]:
        """Everything that happens, or what is asked for of it."""
        return _deliver(Event, await _subscribe(info, types, where, after, consumer))


async def _subscribe(
    info: Info,
    types: list[EventType] | None,
    where: RoomFilter | None,
    after: Cursor | None,
    consumer: str | None = None,
) -> AsyncGenerator[AnyFact, None]:
    after_event = after if consumer is not None else info.context.resume_after or after
    return await events.subscribe(
        info.context.resolver_context,
        types=fact_tags(types),
        where=optional(where),
        after=after_event,
        consumer=consumer,
    )


def _deliver(kind: type[Delivered], source: AsyncGenerator[AnyFact, None]) -> AsyncGenerator[Delivered, None]:
    """The facts as they are: deliveries.py makes events of that kind of them, once for all who are sent the same."""
    return cast(AsyncGenerator[Delivered, None], source)
