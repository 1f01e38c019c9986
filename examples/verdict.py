"""The expected events of external_routing.py, and the comparison with the received events."""

from collections.abc import Sequence
from itertools import pairwise

from examples.client import JSON

#: All events of the room with its revisions, also of types without a subscription.
HISTORY = (
    (1, "ROOM_STARTED"),
    (2, "ROOM_QUEUED"),
    (3, "ROUTING_REQUESTED"),
    (4, "AGENT_ASSIGNED"),
    (5, "AGENT_UNASSIGNED"),
    (6, "ROOM_TRANSFERRED"),
    (7, "AGENT_ASSIGNED"),
    (8, "AGENT_UNASSIGNED"),
    (9, "ROOM_CLOSED"),
)


def sentence(kind: str, event: JSON) -> str:
    """A description of an event for people."""
    match kind:
        case "roomStarted":
            return f"{event['room']['visitor']['name']}, {event['room']['customField']}, served by nobody yet"
        case "agentAssigned":
            return f"{_name(event['agent'])}, before: {_name(event['previousAgent'])} ({event['cause']})"
        case "agentUnassigned":
            return f"{_name(event['agent'])}, next: {_name(event['nextAgent'])} ({event['cause']})"
        case _:
            return f"by {event['actor']['name']}: “{event['comment']}”"


def _name(agent: JSON | None) -> str:
    return "nobody" if agent is None else str(agent["user"]["name"])


def expected_part(kind: str, event: JSON) -> tuple[object, ...]:
    """The part of an event that is known in advance."""
    return (
        kind,
        event["roomRevision"],
        event["room"]["customField"],
        event.get("cause"),
        _external_id(event.get("agent")),
        _external_id(event.get("previousAgent") or event.get("nextAgent")),
        _external_id(event["room"]["servedBy"]),
        event["actor"]["name"],
        event["clientMutationId"],
    )


def _external_id(agent: JSON | None) -> str | None:
    return None if agent is None else str(agent["user"]["customField"])


def differences(
    received: Sequence[tuple[str, JSON]], history: Sequence[JSON], case: str, one: str, two: str
) -> list[str]:
    """The differences from the expected events of a case that agent `one` served first, then agent `two`."""
    expected = [
        ("roomStarted", 1, case, None, None, None, None, "website", "start"),
        ("agentAssigned", 4, case, "ASSIGNED", one, None, one, "case-router", "assign"),
        ("agentUnassigned", 5, case, "TRANSFERRED", one, two, None, "case-router", "transfer"),
        ("agentAssigned", 7, case, "TRANSFERRED", two, one, two, "case-router", "transfer"),
        ("agentUnassigned", 8, case, "CLOSED", two, None, None, "case-router", "close"),
        ("roomClosed", 9, case, None, None, None, None, "case-router", "close"),
    ]
    in_order = sorted(received, key=lambda item: int(item[1]["sequence"]))
    found = [expected_part(kind, event) for kind, event in in_order]
    problems = [f"missing: {facts}" for facts in expected if facts not in found]
    problems += [f"unexpected: {facts}" for facts in found if facts not in expected]
    problems += [f"received {found.count(facts)} times: {facts}" for facts in expected if found.count(facts) > 1]
    if not problems and found != expected:
        problems.append(f"out of order: {found}")
    for subscription in sorted({kind for kind, _ in received}):
        sequences = [event["sequence"] for kind, event in received if kind == subscription]
        problems += [
            f"{subscription}: #{later} came after #{sooner}" for sooner, later in pairwise(sequences) if later <= sooner
        ]
    logged = [(event["roomRevision"], event["type"]) for event in history]
    if logged != list(HISTORY):
        problems.append(f"the log has {logged} and not {list(HISTORY)}")
    return problems
