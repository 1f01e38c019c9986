"""The transitions of a room, without a database: facts in order, revisions, snapshots and times."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import msgspec

from resolvers.room_transition import RoomTransition
from storage.changes import Change
from storage.facts import (
    AgentAssigned,
    AgentUnassigned,
    AssignmentCause,
    MessageSent,
    RoomBefore,
    RoomClosed,
    RoomHeld,
    RoomResumed,
    RoomStarted,
    RoomTransferred,
    RoomUpdated,
    RoutingDeclined,
)
from storage.message_records import Message
from storage.records import (
    SYSTEM,
    Actor,
    ActorType,
    AgentProfile,
    Department,
    Room,
    RoomSnapshot,
    RoomStatus,
    RoutingMethod,
    User,
    Visitor,
)
from storage.transactions.transaction import Transaction

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 1, 1, 13, tzinfo=UTC)
APP = Actor(type=ActorType.APP, id="app", name="App")
VISITOR = Visitor(id="v", token="v", created_at=NOON)
SALES = Department(id="sales", name="Sales", routing=RoutingMethod.LEAST_LOADED)
SUPPORT = Department(id="support", name="Support", routing=RoutingMethod.LEAST_LOADED)


def user(name: str, *, rooms: int = 0) -> User:
    return User(id=name, username=name, agent=AgentProfile(open_room_count=rooms), created_at=NOON, updated_at=NOON)


ANNA, BERT = user("anna", rooms=1), user("bert", rooms=1)


def attempt(moment: datetime = NOON) -> Transaction:
    return cast(Transaction, SimpleNamespace(now=moment, actor=APP, client_mutation_id="m"))


def started() -> RoomTransition:
    room = Room(id="r", status=RoomStatus.QUEUED, revision=0, visitor_id="v", started_at=NOON, queued_at=NOON)
    return RoomTransition.start(attempt(), RoomSnapshot(room=room, visitor=VISITOR))


def going_on(change: RoomTransition, moment: datetime = LATER) -> RoomTransition:
    """The next transition of the same room, after the first was stored."""
    count = change.before.fact_count + len(change.facts)
    room = msgspec.structs.replace(change.room, fact_count=count, version=change.room.version + 1)
    return RoomTransition(attempt(moment), msgspec.structs.replace(change.now, room=room))


def served(agent: User = ANNA) -> RoomTransition:
    change = started()
    change.assign(agent, AssignmentCause.ROUTED)
    return going_on(change)


def kinds(change: RoomTransition) -> list[str]:
    return [type(fact).__name__ for fact in change.facts]


def revisions(change: RoomTransition) -> list[int]:
    return [fact.room.room.revision for fact in change.facts]


def test_no_two_states_of_a_room_have_the_same_version() -> None:
    change = started()
    change.assign(ANNA, AssignmentCause.ROUTED)
    change.send(Message(id="m", room_id="r", text="Hi", sender=APP, sent_at=NOON))

    assert [fact.room.room.version for fact in change.facts] == [1, 2, 3]


# ---------------------------------------------------------------- start


def test_a_room_starts_with_revision_1_waiting_and_with_nothing_before_it() -> None:
    change = started()

    (fact,) = change.facts
    assert isinstance(fact, RoomStarted)
    assert (fact.id, fact.occurred_at, fact.actor, fact.client_mutation_id) == ("r-1", NOON, APP, "m")
    assert (fact.room.room.revision, fact.room.room.status, fact.before) == (1, RoomStatus.QUEUED, None)


def test_routing_is_the_work_of_the_system_and_echoes_the_mutation() -> None:
    change = started()
    change.assign(ANNA, AssignmentCause.ROUTED)

    assigned = change.facts[1]
    assert isinstance(assigned, AgentAssigned)
    assert (assigned.actor, assigned.client_mutation_id, assigned.id) == (SYSTEM, "m", "r-2")
    assert (assigned.cause, assigned.previous_agent, assigned.room.served_by) == (AssignmentCause.ROUTED, None, ANNA)
    assert assigned.before == RoomBefore(status=RoomStatus.QUEUED, priority=0, queued_at=NOON)
    assert revisions(change) == [1, 2]


def test_a_room_without_an_agent_is_queued_by_the_system_with_its_timeout() -> None:
    change = started()
    change.queue(external=True, until=LATER)

    assert kinds(change) == ["RoomStarted", "RoomQueued", "RoutingRequested"]
    assert [fact.actor for fact in change.facts[1:]] == [SYSTEM, SYSTEM]
    assert (change.facts[1].room.room.external_until, change.room.routing_attempts) == (LATER, 1)
    assert (change.room.status, change.room.queued_at, change.room.external_until) == (RoomStatus.QUEUED, NOON, LATER)


# ---------------------------------------------------------------- agents


def test_an_assignment_ends_the_wait() -> None:
    change = started()
    change.queue(external=True, until=LATER)
    change.assign(ANNA, AssignmentCause.TAKEN)

    room = change.room
    assert (room.status, room.served_by_id, room.last_served_by_id, room.assigned_at) == (
        RoomStatus.ASSIGNED,
        "anna",
        "anna",
        NOON,
    )
    assert (room.queued_at, room.external_until, room.passed_over_id) == (None, None, None)
    assert change.facts[-1].actor == APP


def test_a_declined_room_waits_for_no_decision_until_it_is_queued_again() -> None:
    change = started()
    change.queue(external=True, until=LATER)
    change.decline(reason="unknown case")
    change.queue(external=True, until=LATER)

    declined = change.facts[3]
    assert isinstance(declined, RoutingDeclined)
    assert (declined.reason, declined.actor) == ("unknown case", APP)
    assert kinds(change)[3:] == ["RoutingDeclined", "RoomQueued"]
    assert (change.room.external_until, change.room.declined, change.room.routing_attempts) == (None, True, 1)

    change.assign(ANNA, AssignmentCause.TAKEN)
    change.unassign(user("anna"), AssignmentCause.UNASSIGNED)
    change.queue(external=True, until=LATER)

    assert kinds(change)[-2:] == ["RoomQueued", "RoutingRequested"]
    assert (change.room.external_until, change.room.declined, change.room.routing_attempts) == (LATER, False, 2)


def test_unassigning_keeps_the_last_agent_and_starts_a_new_wait() -> None:
    change = served()
    without = user("anna")
    change.unassign(without, AssignmentCause.UNASSIGNED, comment="lunch")

    (fact,) = change.facts
    assert isinstance(fact, AgentUnassigned)
    assert (fact.cause, fact.next_agent, fact.comment) == (AssignmentCause.UNASSIGNED, None, "lunch")
    assert (fact.room.served_by, fact.room.former, fact.room.last_served_by) == (None, without, without)
    assert (fact.room.room.status, fact.room.room.queued_at) == (RoomStatus.QUEUED, LATER)
    assert fact.before == RoomBefore(
        status=RoomStatus.ASSIGNED, served_by_id="anna", last_served_by_id="anna", priority=0
    )


def test_the_next_assignment_names_the_previous_agent() -> None:
    change = served()
    change.unassign(user("anna"), AssignmentCause.UNASSIGNED)
    change.assign(BERT, AssignmentCause.ROUTED)

    assigned = change.facts[1]
    assert isinstance(assigned, AgentAssigned)
    assert assigned.previous_agent == user("anna")
    assert (assigned.room.served_by, assigned.room.former) == (BERT, None)
    assert revisions(change) == [3, 4]


def test_a_transfer_to_an_agent_records_unassigned_transferred_assigned() -> None:
    change = served()
    free = user("bert")
    change.unassign(user("anna"), AssignmentCause.TRANSFERRED, next_agent=free)
    change.transfer(from_agent=ANNA, to_agent=free, comment="yours")
    change.assign(BERT, AssignmentCause.TRANSFERRED)

    unassigned, transferred, assigned = change.facts
    assert isinstance(unassigned, AgentUnassigned)
    assert unassigned.next_agent == free
    assert isinstance(transferred, RoomTransferred)
    assert (transferred.from_agent, transferred.to_agent, transferred.comment) == (ANNA, free, "yours")
    assert (transferred.from_department, transferred.to_department) == (None, None)
    assert isinstance(assigned, AgentAssigned)
    assert (assigned.cause, assigned.actor) == (AssignmentCause.TRANSFERRED, APP)


def test_a_transfer_to_a_department_resets_the_timeout_and_keeps_the_wait_and_passed_over() -> None:
    change = served()
    change.unassign(user("anna"), AssignmentCause.UNASSIGNED)
    change.skip_agent(user("anna"))
    change.queue(external=True, until=LATER)
    change.decline()
    change.transfer(from_agent=None, to_department=SALES, comment=None)
    change.transfer(from_agent=None, to_department=SUPPORT, comment=None)

    last = change.facts[-1]
    assert isinstance(last, RoomTransferred)
    assert (last.from_department, last.to_department) == (SALES, SUPPORT)
    assert (change.room.department_id, change.now.department) == ("support", SUPPORT)
    assert (change.room.external_until, change.room.passed_over_id, change.room.queued_at) == (None, "anna", LATER)


def test_unassigned_by_a_caller_sets_passed_over() -> None:
    change = served()
    change.unassign(user("anna"), AssignmentCause.UNASSIGNED)
    change.skip_agent(user("anna"))

    assert change.room.passed_over_id == "anna"
    assert kinds(change) == ["AgentUnassigned"]


# ---------------------------------------------------------------- hold, update, messages, close


def test_a_room_on_hold_keeps_its_agent() -> None:
    change = served()
    change.hold(user("anna"), comment="waiting for a part")
    change.resume(ANNA)

    held, resumed = change.facts
    assert isinstance(held, RoomHeld)
    assert (held.comment, held.room.room.status, held.room.served_by) == (
        "waiting for a part",
        RoomStatus.ON_HOLD,
        user("anna"),
    )
    assert isinstance(resumed, RoomResumed)
    assert (resumed.room.room.status, resumed.room.room.served_by_id) == (RoomStatus.ASSIGNED, "anna")


def test_an_update_records_changes_with_values_before() -> None:
    change = served()
    change.update(custom_fields={"b": 1, "a": 2})
    change.update(subject="S", priority=0, tags=("x",), custom_fields={"b": 3})

    first, second = change.facts
    assert isinstance(first, RoomUpdated)
    assert first.changes == (Change("customFields.a"), Change("customFields.b"))
    assert isinstance(second, RoomUpdated)
    assert second.changes == (
        Change("subject"),
        Change("tags", []),
        Change("customFields.a", 2),
        Change("customFields.b", 1),
    )
    assert second.before == RoomBefore(
        status=RoomStatus.ASSIGNED,
        served_by_id="anna",
        last_served_by_id="anna",
        priority=0,
        custom_fields={"a": 2, "b": 1},
    )


def test_an_update_without_a_change_records_nothing() -> None:
    change = served()
    change.update(subject=None, priority=0, tags=(), custom_fields={})

    assert change.facts == []
    assert change.room == change.before


def test_a_message_keeps_the_revision_and_increments_the_fact_number() -> None:
    change = served()
    change.send(Message(id="m", room_id="r", text="hi", sender=APP, sent_at=LATER))
    change.hold(user("anna"), comment=None)

    assert isinstance(change.facts[0], MessageSent)
    assert revisions(change) == [2, 3]
    assert [fact.id for fact in change.facts] == ["r-3", "r-4"]


def test_closing_records_tags_fields_and_comment_and_ends_the_wait() -> None:
    change = served()
    change.unassign(user("anna"), AssignmentCause.CLOSED)
    change.close(comment="done", tags=("x",), custom_fields={"a": 1})

    unassigned, closed = change.facts
    assert isinstance(unassigned, AgentUnassigned)
    assert unassigned.cause is AssignmentCause.CLOSED
    assert isinstance(closed, RoomClosed)
    room = closed.room.room
    assert (room.status, room.tags, room.custom_fields, room.close_comment, room.closed_at) == (
        RoomStatus.CLOSED,
        ("x",),
        {"a": 1},
        "done",
        LATER,
    )
    assert (room.served_by_id, room.last_served_by_id, room.queued_at) == (None, "anna", None)
    assert closed.comment == "done"
