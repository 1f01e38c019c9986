"""The comparison of expected and received events in examples/external_routing/verdict.py."""

from collections.abc import Callable

import msgspec
import pytest

from examples.external_routing.verdict import differences, expected_of_solved_case, expected_of_unknown_case
from switchboard_client.events import EVENTS, RoomEvent

ONE, TWO = "E-1", "E-2"
AGENT = {"openRoomCount": 0, "status": "AVAILABLE", "acceptsRouting": False, "maxRooms": None, "lastAssignedAt": None}
AT = "2026-01-01T00:00:00Z"
USER: dict[str, object] = {
    "name": None,
    "emails": [],
    "type": "USER",
    "active": True,
    "presence": "OFFLINE",
    "createdAt": AT,
}
ROOM = {"status": "QUEUED", "revision": 1, "source": "demo", "subject": None, "tags": [], "priority": 0}
TIMES = dict.fromkeys(("startedAt", "assignedAt", "queuedAt", "externalUntil", "closedAt"), AT)
CHANGED: dict[str, object] = {"changes": [], "reason": None, "until": None, "attempt": 1, "comment": None}
ENDS = dict.fromkeys(("previousAgent", "nextAgent", "fromAgent", "toAgent", "fromDepartment", "toDepartment"))


def agent(external_id: str | None) -> dict[str, object]:
    fields = [{"key": "externalId", "value": external_id}]
    user = {
        **USER,
        "createdAt": AT,
        "username": "u",
        "updatedAt": AT,
        "userId": "usr_1",
        "roles": [],
        "customFields": fields,
    }
    return {**AGENT, "agentId": "agt_1", "userId": "usr_1", "departmentIds": [], "user": {**user, "agent": None}}


def event(number: int, type_: str, external_id: str | None, cause: str | None, actor: str | None) -> RoomEvent:
    visitor = {
        "token": "v",
        "name": None,
        "email": None,
        "phone": None,
        "createdAt": AT,
        "visitorId": "vis_1",
        "erasedAt": None,
    }
    room = {**ROOM, **TIMES, "roomId": "room_1", "closeComment": None, "customFields": [], "department": None}
    room |= {"visitor": {**visitor, "erasedAt": None, "customFields": []}, "servedBy": None, "lastServedBy": None}
    by = {"type": "APP", "id": None, "name": actor}
    (cls,) = [one for one in EVENTS if one.__name__.lower() == type_.replace("_", "").lower()]
    data = {"__typename": cls.__name__, "id": f"evt_{number}", "cursor": str(number), "sequence": number, "type": type_}
    data |= {"occurredAt": AT, "actor": by, "clientMutationId": None, "room": room, "roomRevision": number}
    data |= {**CHANGED, **ENDS, "agent": agent(external_id), "cause": cause, "closedBy": by}
    decoded = msgspec.convert(data, cls)
    assert isinstance(decoded, RoomEvent)
    return decoded


@pytest.fixture
def received() -> list[RoomEvent]:
    """The expected events."""
    return [event(number, *facts) for number, facts in enumerate(expected_of_solved_case(ONE, TWO), start=1)]


def verdict(received: list[RoomEvent], logged: list[RoomEvent]) -> list[str]:
    """The first word of each problem."""
    return [one.split(" ")[0] for one in differences(received, logged, expected_of_solved_case(ONE, TWO), "externalId")]


def test_no_difference_is_reported_for_the_expected_events(received: list[RoomEvent]) -> None:
    assert verdict(received, received) == []
    unknown = [event(number, *facts) for number, facts in enumerate(expected_of_unknown_case(), start=1)]
    assert differences(unknown, unknown, expected_of_unknown_case(), "externalId") == []


@pytest.mark.parametrize("index", range(10))
def test_missing_event_is_reported(received: list[RoomEvent], index: int) -> None:
    assert verdict([*received[:index], *received[index + 1 :]], received) == ["missing:", "the"]


@pytest.mark.parametrize("index", range(10))
def test_repeated_event_is_reported(received: list[RoomEvent], index: int) -> None:
    assert verdict([*received, received[index]], received) == ["out", "the"]


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        (lambda events: [*events[:5], events[6], events[5], *events[7:]], ["out", "the"]),
        (lambda events: [event(1, "ROOM_STARTED", None, None, "other"), *events[1:]], ["missing:", "unexpected:"]),
        (
            lambda events: [*events[:3], event(4, "AGENT_ASSIGNED", TWO, "ASSIGNED", "case-router"), *events[4:]],
            ["missing:", "unexpected:"],
        ),
        (
            lambda events: [*events[:3], event(4, "AGENT_ASSIGNED", ONE, "ROUTED", "case-router"), *events[4:]],
            ["missing:", "unexpected:"],
        ),
    ],
)
def test_wrong_order_actor_agent_and_cause_are_reported(
    received: list[RoomEvent], change: Callable[[list[RoomEvent]], list[RoomEvent]], problems: list[str]
) -> None:
    assert verdict(change(received), received) == problems


def test_gap_in_the_log_is_reported(received: list[RoomEvent]) -> None:
    assert verdict(received, [*received[:4], *received[5:]]) == ["the", "the"]
