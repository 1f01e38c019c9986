"""The operations of the API, with one token."""

import asyncio
import logging
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from msgspec import UNSET
from typing_extensions import TypeVar, override

from switchboard_client.errors import RETRYABLE, ConnectionLost
from switchboard_client.event_documents import EventsPage, events_query, events_subscription
from switchboard_client.generated.events import Event
from switchboard_client.generated.inputs import RoomFilter, RoomOrder
from switchboard_client.generated.operations import Operations
from switchboard_client.generated.types import AppDatum, Room
from switchboard_client.operation import Operation
from switchboard_client.records import Record
from switchboard_client.transport import Reconnection, Transport

T = TypeVar("T")
E = TypeVar("E", bound=Event, default=Event)
logger = logging.getLogger("switchboard_client")
PAGE = 200


class WithAppData(Record, frozen=True):
    """An entity with the app's value under one key."""

    app_data: AppDatum | None


class Api(Operations):
    """Every operation of the API. Refusals are exceptions of `switchboard_client.errors`.

    `consumer` is the name of the consumer whose events `ack=` acknowledges.
    """

    def __init__(
        self,
        transport: Transport,
        consumer: str | None = None,
        *,
        acknowledged: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self._transport = transport
        self._consumer = consumer
        self._acknowledged = acknowledged

    async def query(self, document: str, variables: Mapping[str, Any] | None = None, *, type: Any = Any) -> Any:
        """The value of the only field of a document of your own, which names it `result`: `{ result: rooms { ... } }`.

        `type` is what the value is decoded to: a class of `switchboard_client.types`, or a msgspec.Struct of your own.
        A document with the word `mutation` is not repeated when its response is lost, because it may have taken effect.
        """
        operation: Operation[Any] = Operation(document, type, repeatable=re.search(r"\bmutation\b", document) is None)
        return await self._transport.run(operation, variables or {})

    async def events(
        self,
        *types: type[E],
        where: RoomFilter | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> EventsPage[E]:
        """A page of the log with events of these types, or of all types."""
        return await self._query(events_query(types), {"where": where, "first": first, "after": after})

    async def events_live(
        self, *types: type[E], where: RoomFilter | None = None, after: str | None = None, own: bool = True
    ) -> AsyncGenerator[E, None]:
        """The events of these types, or of all types, after a cursor or from now on, for ever and without a gap.

        It acknowledges nothing: an app that must not miss an event while it is down has handlers (`App.on`).
        """
        after = await self.event_cursor() if after is None else after
        variables = {"where": where, "notByMe": not own, "after": after}
        async for event in self._subscribe(events_subscription(types), variables):
            yield event

    async def rooms_and_events(
        self, *types: type[E], where: RoomFilter | None = None, order_by: RoomOrder | None = None
    ) -> AsyncGenerator[Room | E, None]:
        """The rooms as they are now, and then every event after that, for ever and without a gap between them.

        The first events may be in the rooms already. `event.room` is newer than a room that has a lower `revision`.
        """
        cursor = await self.event_cursor()
        async for room in self.all_rooms(where=where, order_by=order_by):
            yield room
        async for event in self.events_live(*types, where=where, after=cursor):
            yield event

    async def all_rooms(
        self, *, where: RoomFilter | None = None, order_by: RoomOrder | None = None
    ) -> AsyncGenerator[Room, None]:
        """The rooms of all pages."""
        after: str | None = None
        while True:
            page = await self.rooms(where=where, order_by=order_by, first=PAGE, after=after)
            if page is None:
                return
            for room in page.nodes:
                yield room
            if not page.page_info.has_next_page:
                return
            after = page.page_info.end_cursor

    async def app_data_of(
        self, key: str, *, room_id: str | None = None, user_id: str | None = None, visitor_id: str | None = None
    ) -> AppDatum | None:
        """What the app keeps beside a room, a user or a visitor under this key (`set_app_data`)."""
        ids = {"room": room_id, "user": user_id, "visitor": visitor_id}
        given = [one for one, id_ in ids.items() if id_ is not None]
        if len(given) != 1:
            raise ValueError("Pass one of room_id=, user_id= and visitor_id=.")
        noun = given[0]
        document = (
            f"query AppData($id: ID!, $key: String!) {{ result: {noun}(by: {{ id: $id }}) "
            f"{{ appData(key: $key) {{ key value version updatedAt }} }} }}"
        )
        found: WithAppData | None = await self.query(document, {"id": ids[noun], "key": key}, type=WithAppData | None)
        return None if found is None else found.app_data

    # ---------------------------------------------------------------- what the generated methods call

    @override
    async def _query(self, operation: Operation[T], variables: Mapping[str, Any]) -> T:
        return await self._transport.run(operation, _given(variables))

    @override
    async def _mutate(
        self, operation: Operation[T], fields: Mapping[str, Any], client_mutation_id: str | None, ack: Event | None
    ) -> T:
        # The id makes it harmless to repeat a mutation whose response was lost.
        fields = {key: value for key, value in fields.items() if value is not UNSET}
        fields["clientMutationId"] = client_mutation_id or secrets.token_hex(12)
        if ack is not None:
            if self._consumer is None:
                raise ValueError("ack= needs the api of an App, which has a consumer.")
            fields["ack"] = {"consumer": self._consumer, "cursor": ack.cursor}
        result = await self._transport.run(operation, {"input": fields})
        if ack is not None:
            self._acknowledged(ack)
        return result

    @override
    async def _subscribe(self, operation: Operation[T], variables: Mapping[str, Any]) -> AsyncGenerator[T, None]:
        current = _given(variables)
        reconnection = Reconnection(self._transport.backoff)
        while True:
            try:
                async with self._transport.stream(operation, current) as stream:
                    reconnection.connected()
                    async for result in stream:
                        reconnection.received()
                        if operation.resumable:
                            current["after"] = result.cursor  # type: ignore[attr-defined] # results that resume have it
                        yield result
            except (ConnectionLost, *RETRYABLE) as error:
                pause = reconnection.pause_after(error)
                logger.warning("A subscription continues in %.1f s: %s", pause, error)
                await asyncio.sleep(pause)


def _given(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in variables.items() if value is not None}


@asynccontextmanager
async def open_api(url: str, token: str, **options: Any) -> AsyncIterator[Api]:
    """The operations of the API for a program without handlers. `options` are arguments of Transport."""
    transport = Transport(url, token, **options)
    try:
        yield Api(transport)
    finally:
        await transport.close()
