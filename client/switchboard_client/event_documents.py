"""The documents of `events` for the types of events that an app wants."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Generic, TypeVar, Union

from switchboard_client.generated.events import COMMON, EVENTS, OF_ROOMS, OWN, Event, RoomEvent
from switchboard_client.generated.types import PageInfo
from switchboard_client.operation import Operation
from switchboard_client.records import Record

E = TypeVar("E")


class Position(Record, frozen=True):
    """The position of an event in the log."""

    cursor: str


class Owner(Record, frozen=True):
    """The app or user to which a consumer belongs."""

    id: str | None


class ConsumerState(Record, frozen=True):
    """A consumer, and whether a connection reads for it."""

    name: str
    connected: bool
    owner: Owner


class EventsPage(Record, Generic[E], frozen=True, kw_only=True):
    """A page of the log."""

    nodes: tuple[E, ...]
    page_info: PageInfo


def events_query(types: Sequence[type[E]]) -> Operation[EventsPage[E]]:
    document = (
        f"query Events($where: RoomFilter, $first: Int, $after: Cursor) {{ "
        f"result: events(types: [{_names(types)}], where: $where, first: $first, after: $after) "
        f"{{ nodes {_selection(types)} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
    )
    return _operation(document, EventsPage[_union(types)])  # type: ignore[misc] # a type that is computed


def events_subscription(types: Sequence[type[E]]) -> Operation[E]:
    """Without a consumer: the client continues after the last cursor."""
    document = (
        f"subscription Events($where: RoomFilter, $after: Cursor, $notByMe: Boolean!) {{ "
        f"result: events(types: [{_names(types)}], where: $where, after: $after, notByMe: $notByMe) "
        f"{_selection(types)} }}"
    )
    return _operation(document, _union(types), resumable=True)


def consumer_subscription(types: Sequence[type[E]]) -> Operation[E]:
    document = (
        f"subscription Consume($consumer: String!, $where: RoomFilter, $after: Cursor, $notByMe: Boolean!, "
        f"$maxInFlight: Int!) {{ result: events(consumer: $consumer, types: [{_names(types)}], where: $where, "
        f"after: $after, notByMe: $notByMe, maxInFlight: $maxInFlight) {_selection(types)} }}"
    )
    return _operation(document, _union(types))


#: Without `lag`, which the server counts.
CONSUMER_STATES: Operation[tuple[ConsumerState, ...]] = Operation(
    "query Consumers { result: consumers { name connected owner { id } } }", tuple[ConsumerState, ...]
)

#: Creates the consumer. It selects all events, so that none is passed over for it, and receives at most one.
CREATE_CONSUMER: Operation[Position] = Operation(
    "subscription CreateConsumer($consumer: String!, $after: Cursor) "
    "{ result: events(consumer: $consumer, after: $after, maxInFlight: 1) { cursor } }",
    Position,
)


@cache
def _operation(document: str, type_: Any, resumable: bool = False) -> Operation[Any]:
    """The same operation for the same document, so that its decoder is made once."""
    return Operation(document, type_, resumable=resumable)


def _union(types: Sequence[type]) -> Any:
    return Union[tuple(types or EVENTS)]  # noqa: UP007 - of any number of types


def _names(types: Sequence[type]) -> str:
    """The names of EventType: `RoomStarted` is ROOM_STARTED."""
    return " ".join(re.sub(r"(?<!^)(?=[A-Z])", "_", type_.__name__).upper() for type_ in types or EVENTS)


def _selection(types: Sequence[type]) -> str:
    wanted: Sequence[type[Event]] = types or EVENTS
    parts = ["__typename", COMMON]
    if any(issubclass(type_, RoomEvent) for type_ in wanted):
        parts.append(f"... on RoomEvent {{ {OF_ROOMS} }}")
    parts += [f"... on {type_.__name__} {{ {OWN[type_]} }}" for type_ in wanted if OWN[type_]]
    return f"{{ {' '.join(parts)} }}"
