"""The comparison of expected and received events in examples/verdict.py."""

from copy import deepcopy
from typing import Any

import pytest

from examples.verdict import HISTORY, differences

ONE, TWO = "E-1", "E-2"

Received = list[tuple[str, dict[str, Any]]]


def agent(external_id: str | None) -> dict[str, Any] | None:
    return None if external_id is None else {"user": {"customField": external_id, "name": external_id}}


def event(
    sequence: int, revision: int, by: str, mutation: str, served_by: str | None, **data: object
) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "roomRevision": revision,
        "clientMutationId": mutation,
        "actor": {"name": by},
        "room": {"customField": "CASE-1", "servedBy": agent(served_by)},
    } | data


@pytest.fixture
def received() -> Received:
    """The expected events."""
    transfer = {"cause": "TRANSFERRED"}
    return [
        ("roomStarted", event(10, 1, "website", "start", None)),
        (
            "agentAssigned",
            event(17, 4, "case-router", "assign", ONE, cause="ASSIGNED", agent=agent(ONE), previousAgent=None),
        ),
        (
            "agentUnassigned",
            event(20, 5, "case-router", "transfer", None, agent=agent(ONE), nextAgent=agent(TWO), **transfer),
        ),
        (
            "agentAssigned",
            event(22, 7, "case-router", "transfer", TWO, agent=agent(TWO), previousAgent=agent(ONE), **transfer),
        ),
        (
            "agentUnassigned",
            event(23, 8, "case-router", "close", None, cause="CLOSED", agent=agent(TWO), nextAgent=None),
        ),
        ("roomClosed", event(24, 9, "case-router", "close", None)),
    ]


@pytest.fixture
def history() -> list[dict[str, Any]]:
    return [{"roomRevision": revision, "type": kind} for revision, kind in HISTORY]


def verdict(received: Received, history: list[dict[str, Any]]) -> list[str]:
    """The first word of each problem."""
    return [problem.split(" ")[0] for problem in differences(received, history, "CASE-1", ONE, TWO)]


def test_no_difference_is_reported_for_the_expected_events(received: Received, history: list[dict[str, Any]]) -> None:
    assert differences(received, history, "CASE-1", ONE, TWO) == []


def test_order_between_subscriptions_is_read_from_the_sequence(
    received: Received, history: list[dict[str, Any]]
) -> None:
    received[2], received[3] = received[3], received[2]

    assert differences(received, history, "CASE-1", ONE, TWO) == []


@pytest.mark.parametrize("index", range(6))
def test_missing_event_is_reported(received: Received, history: list[dict[str, Any]], index: int) -> None:
    del received[index]

    assert verdict(received, history) == ["missing:"]


@pytest.mark.parametrize("index", range(6))
def test_duplicate_event_is_reported(received: Received, history: list[dict[str, Any]], index: int) -> None:
    kind, data = received[index]
    received.append((kind, deepcopy(data)))

    assert verdict(received, history) == ["received", f"{kind}:"]


def test_assigned_before_unassigned_is_reported(received: Received, history: list[dict[str, Any]]) -> None:
    received[2][1]["sequence"], received[3][1]["sequence"] = 22, 20

    assert verdict(received, history) == ["out"]


def test_wrong_order_within_a_subscription_is_reported(received: Received, history: list[dict[str, Any]]) -> None:
    received[1], received[3] = received[3], received[1]

    assert verdict(received, history) == ["agentAssigned:"]


@pytest.mark.parametrize(
    ("index", "path", "value"),
    [
        (3, "cause", "ROUTED"),
        (3, "previousAgent", None),
        (2, "nextAgent", None),
        (1, "agent", agent(TWO)),
        (4, "clientMutationId", None),
        (5, "roomRevision", 10),
    ],
)
def test_wrong_detail_is_reported(
    received: Received, history: list[dict[str, Any]], index: int, path: str, value: object
) -> None:
    received[index][1][path] = value

    assert verdict(received, history) == ["missing:", "unexpected:"]


def test_gap_in_the_log_is_reported(received: Received, history: list[dict[str, Any]]) -> None:
    del history[4]

    assert verdict(received, history) == ["the"]
