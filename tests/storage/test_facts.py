"""Kinds of facts."""

from storage.facts import (
    AppCreated,
    AppFact,
    AppRevoked,
    AppTokenRotated,
    RoleUpdated,
    RoomFact,
    UserCreated,
    UserFact,
    UserUpdated,
    kinds_of,
)


def test_kinds_of_classes_are_the_facts_that_are_their_instances() -> None:
    assert kinds_of(AppFact, RoleUpdated) == {AppCreated, AppTokenRotated, AppRevoked, RoleUpdated}
    assert kinds_of(UserFact) >= {UserCreated, UserUpdated}
    assert kinds_of(UserFact).isdisjoint(kinds_of(RoomFact))
