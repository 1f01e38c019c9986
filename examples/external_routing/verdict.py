"""The events that the demo expects, and the comparison with what it received."""

from collections.abc import Sequence

from switchboard_client.events import AgentAssigned, AgentUnassigned, Event, RoomEvent
from switchboard_client.types import AgentSnapshot

#: A type, the external id of the agent, the cause, and the name of the actor. Routing has no name.
Expected = tuple[str, str | None, str | None, str | None]


def expected_of_solved_case(first: str, second: str) -> list[Expected]:
    """The conversation that `first` serves, then `second`, until it is closed."""
    return [
        ("ROOM_STARTED", None, None, "website"),
        ("ROOM_QUEUED", None, None, None),
        ("ROUTING_REQUESTED", None, None, None),
        ("AGENT_ASSIGNED", first, "ASSIGNED", "case-router"),
        ("ROOM_UPDATED", None, None, "website"),
        ("AGENT_UNASSIGNED", first, "TRANSFERRED", "case-router"),
        ("ROOM_TRANSFERRED", None, None, "case-router"),
        ("AGENT_ASSIGNED", second, "TRANSFERRED", "case-router"),
        ("AGENT_UNASSIGNED", second, "CLOSED", "website"),
        ("ROOM_CLOSED", None, None, "website"),
    ]


def expected_of_unknown_case() -> list[Expected]:
    """The conversation that the outside system does not decide about."""
    return [
        ("ROOM_STARTED", None, None, "website"),
        ("ROOM_QUEUED", None, None, None),
        ("ROUTING_REQUESTED", None, None, None),
        ("ROUTING_DECLINED", None, None, "case-router"),
        ("ROOM_QUEUED", None, None, None),
        ("ROOM_CLOSED", None, None, "website"),
    ]


def facts(event: Event, user_field: str) -> Expected:
    """The part of an event that is known in advance."""
    if isinstance(event, AgentAssigned | AgentUnassigned):
        return event.type, external_id(event.agent, user_field), event.cause, event.actor.name
    return event.type, None, None, event.actor.name


def external_id(agent: AgentSnapshot, user_field: str) -> str | None:
    value = agent.user.custom_field(user_field)
    return None if value is None else str(value)


def differences(
    received: Sequence[RoomEvent], logged: Sequence[RoomEvent], expected: Sequence[Expected], user_field: str
) -> list[str]:
    """What is wrong with the received events of a room."""
    found = [facts(event, user_field) for event in received]
    problems = [f"missing: {one}" for one in expected if one not in found]
    problems += [f"unexpected: {one}" for one in found if one not in expected]
    if not problems and found != list(expected):
        problems.append(f"out of order or repeated: {found}")
    if [event.sequence for event in received] != [event.sequence for event in logged]:
        problems.append(f"the log has {[event.type for event in logged]}")
    revisions = [event.room_revision for event in logged]
    if revisions != list(range(1, len(logged) + 1)):
        problems.append(f"the revisions of the log are {revisions}")
    return problems
