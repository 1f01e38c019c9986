from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from storage.changes import Change, changes_between, value_of
from storage.facts import AgentStatusChanged, AgentUpdated, UserPresenceChanged, UserRolesChanged, UserUpdated
from storage.mongo.connection import from_builtins, to_builtins
from storage.records import AgentProfile, AgentStatus, Department, Presence, RoutingMethod, User

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
FIELDS = tuple(
    field
    for kind in (UserUpdated, UserRolesChanged, UserPresenceChanged, AgentUpdated, AgentStatusChanged)
    for field in kind.fields
)
VALUES = st.sampled_from(["", "a", 0, 1.5, True, NOON, [], ["a", "b"], ["b"]])
TEXTS = st.lists(st.sampled_from("abc"), unique=True).map(tuple)
USERS = st.builds(
    User,
    id=st.just("u"),
    username=st.sampled_from(["ann", "bob"]),
    name=st.sampled_from([None, "Ann"]),
    emails=TEXTS,
    active=st.booleans(),
    presence=st.sampled_from(Presence),
    roles=TEXTS,
    custom_fields=st.dictionaries(st.sampled_from(["a", "b-c", "d_e"]), VALUES),
    agent=st.builds(
        AgentProfile,
        status=st.sampled_from(AgentStatus),
        accepts_routing=st.booleans(),
        max_rooms=st.sampled_from([None, 0, 2]),
        department_ids=TEXTS,
    ),
    created_at=st.just(NOON),
    updated_at=st.just(NOON),
)


def view(user: User) -> dict[str, object]:
    """The values of all fields that a change can name, without those that have none."""
    names = [
        *(field for field in FIELDS if field != "customFields"),
        *(f"customFields.{key}" for key in user.custom_fields),
    ]
    return {name: value for name in names if (value := value_of(user, name)) is not None}


@given(before=USERS, after=USERS)
def test_the_values_after_a_change_without_the_changes_are_the_values_before(before: User, after: User) -> None:
    restored = view(after)

    for change in changes_between(before, after, FIELDS):
        if change.before is None:
            restored.pop(change.field, None)
        else:
            restored[change.field] = change.before

    assert restored == view(before)


@given(before=USERS, after=USERS)
def test_equal_values_of_a_field_are_no_change(before: User, after: User) -> None:
    changes = changes_between(before, after, FIELDS)

    assert [change for change in changes if change.before == value_of(after, change.field)] == []
    assert changes_between(after, after, FIELDS) == ()


@given(before=USERS, after=USERS)
def test_changes_are_the_same_after_they_were_stored(before: User, after: User) -> None:
    changes = changes_between(before, after, FIELDS)

    assert from_builtins(to_builtins(changes), tuple[Change, ...]) == changes


def test_changes_are_in_the_order_of_the_fields_and_custom_fields_in_the_order_of_their_keys() -> None:
    before = User(id="u", username="ann", custom_fields={"z": 1, "m": 2}, created_at=NOON, updated_at=NOON)
    after = User(id="u", username="bob", custom_fields={"a": 3, "m": 4}, active=False, created_at=NOON, updated_at=NOON)

    assert changes_between(before, after, ("customFields", "username", "active")) == (
        Change("customFields.a"),
        Change("customFields.m", 2),
        Change("customFields.z", 1),
        Change("username", "ann"),
        Change("active", True),
    )


def test_values_of_enums_are_names_and_a_missing_agent_has_no_values() -> None:
    user = User(id="u", username="ann", created_at=NOON, updated_at=NOON)

    assert value_of(Department(id="d", name="D", fallback_routing=RoutingMethod.MANUAL), "fallbackRouting") == "MANUAL"
    assert value_of(user, "agent.maxRooms") is None
