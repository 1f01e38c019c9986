"""How often signing in may fail."""

import pytest

from resolvers import sign_ins
from resolvers.sign_ins import BROADER, SignIns
from storage.errors import RateLimited, Unauthenticated


def fail(attempts: SignIns, username: str = "ann", address: str = "192.0.2.1") -> None:
    with pytest.raises(Unauthenticated), attempts.attempt(username, address):
        raise Unauthenticated("Username or password is wrong.")


def refused(attempts: SignIns, username: str = "ann", address: str = "192.0.2.1") -> object:
    """In how many seconds to try again."""
    with pytest.raises(RateLimited) as caught, attempts.attempt(username, address):
        raise AssertionError("it may be tried")
    return caught.value.data["retryAfterSeconds"]


def test_user_is_refused_from_one_address_after_so_many_failures() -> None:
    attempts = SignIns(3)

    for username in ("ann", "ANN", "Ann"):
        fail(attempts, username)

    assert refused(attempts) == sign_ins.SECONDS // 3
    fail(attempts, address="192.0.2.2")
    fail(attempts, username="ben")


def test_success_does_not_count() -> None:
    attempts = SignIns(1)

    for _ in range(5):
        with attempts.attempt("ann", "192.0.2.1"):
            pass

    fail(attempts)
    refused(attempts)


def test_one_address_tries_not_all_users() -> None:
    attempts = SignIns(1)

    for number in range(BROADER):
        fail(attempts, username=f"user-{number}")

    refused(attempts, username="ann")
    fail(attempts, username="ann", address="192.0.2.2")


def test_all_addresses_together_try_not_one_user() -> None:
    attempts = SignIns(1)

    for number in range(BROADER):
        fail(attempts, address=f"192.0.2.{number}")

    refused(attempts, address="198.51.100.1")
    fail(attempts, username="ben", address="198.51.100.1")


def test_what_was_refused_is_not_counted() -> None:
    attempts = SignIns(1)
    fail(attempts)

    for _ in range(BROADER * 2):
        refused(attempts)

    fail(attempts, username="ben")


def test_without_a_number_there_is_no_limit() -> None:
    attempts = SignIns(0)

    for _ in range(100):
        fail(attempts)
