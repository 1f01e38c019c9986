"""The limits on failed logins."""

import asyncio
from contextlib import ExitStack, suppress

import pytest

from resolvers.auth import login_throttle
from resolvers.auth.hash_queue import Lane
from resolvers.auth.login_throttle import SHARED_LIMIT_FACTOR, LoginThrottle
from storage.errors import RateLimited, Unauthenticated, Unavailable


def fail(attempts: LoginThrottle, username: str = "ann", address: str = "192.0.2.1") -> None:
    with pytest.raises(Unauthenticated), attempts.attempt(username, address):
        raise Unauthenticated("Username or password is wrong.")


def refused(attempts: LoginThrottle, username: str = "ann", address: str = "192.0.2.1") -> object:
    """The seconds after which the caller may try again."""
    with pytest.raises(RateLimited) as caught, attempts.attempt(username, address):
        raise AssertionError("it may be tried")
    return caught.value.data["retryAfterSeconds"]


def test_user_is_refused_from_one_address_after_the_limit_of_failures() -> None:
    attempts = LoginThrottle(3)

    for username in ("ann", "ANN", "Ann"):
        fail(attempts, username)

    assert refused(attempts) == login_throttle.WINDOW_SECONDS // 3
    fail(attempts, address="192.0.2.2")
    fail(attempts, username="ben")


def test_success_does_not_count() -> None:
    attempts = LoginThrottle(1)

    for _ in range(5):
        with attempts.attempt("ann", "192.0.2.1"):
            pass

    fail(attempts)
    refused(attempts)


def test_one_address_is_limited_over_all_users() -> None:
    attempts = LoginThrottle(1)

    for number in range(SHARED_LIMIT_FACTOR):
        fail(attempts, username=f"user-{number}")

    refused(attempts, username="ann")
    fail(attempts, username="ann", address="192.0.2.2")


def test_one_user_is_limited_over_all_addresses() -> None:
    attempts = LoginThrottle(1)

    for number in range(SHARED_LIMIT_FACTOR):
        fail(attempts, address=f"192.0.2.{number}")

    refused(attempts, address="198.51.100.1")
    fail(attempts, username="ben", address="198.51.100.1")


def test_refused_attempts_are_not_counted() -> None:
    attempts = LoginThrottle(1)
    fail(attempts)

    for _ in range(SHARED_LIMIT_FACTOR * 2):
        refused(attempts)

    fail(attempts, username="ben")


def test_a_limit_of_0_failures_is_no_limit() -> None:
    attempts = LoginThrottle(0)

    for _ in range(100):
        fail(attempts)


def test_only_a_wrong_password_counts() -> None:
    attempts = LoginThrottle(1)

    for error in (Unavailable("The database does not answer.", retryable=True), asyncio.CancelledError(), OSError()):
        with pytest.raises(type(error)), attempts.attempt("ann", "192.0.2.1"):
            raise error

    fail(attempts)


def test_running_attempts_count_only_for_their_user_and_address() -> None:
    attempts = LoginThrottle(1)

    with ExitStack() as under_way:
        for number in range(SHARED_LIMIT_FACTOR * 2):
            under_way.enter_context(attempts.attempt("ann", f"192.0.2.{number}"))
        assert refused(attempts, address="192.0.2.1")
        fail(attempts, address="198.51.100.1")


def test_address_from_which_a_user_logged_in_is_not_locked_out_by_others() -> None:
    attempts = LoginThrottle(1)
    with attempts.attempt("ann", "192.0.2.1"):
        pass
    for number in range(SHARED_LIMIT_FACTOR):
        fail(attempts, address=f"198.51.100.{number}")

    refused(attempts, address="203.0.113.1")
    with attempts.attempt("ann", "192.0.2.1") as lane:
        assert lane is Lane.KNOWN_ADDRESS


def test_lane_depends_on_recent_failures_of_username_and_address() -> None:
    moment = 0.0
    attempts = LoginThrottle(3, clock=lambda: moment)

    def lane(username: str, address: str) -> Lane:
        """An attempt that ends with another error."""
        with suppress(OSError), attempts.attempt(username, address) as found:
            raise OSError
        return found

    assert lane("ben", "192.0.2.9") is Lane.NO_RECENT_FAILURE
    with attempts.attempt("ben", "192.0.2.9"):
        pass
    assert lane("ben", "192.0.2.9") is Lane.KNOWN_ADDRESS
    fail(attempts, "ann", "192.0.2.1")
    assert lane("ann", "192.0.2.2") is Lane.RECENT_FAILURE
    assert lane("cat", "192.0.2.1") is Lane.RECENT_FAILURE
    assert lane("dan", "192.0.2.3") is Lane.NO_RECENT_FAILURE
    fail(attempts, "ben", "192.0.2.9")
    assert lane("ben", "192.0.2.9") is Lane.RECENT_FAILURE
    moment = login_throttle.WINDOW_SECONDS + 1.0
    assert lane("ann", "192.0.2.4") is Lane.NO_RECENT_FAILURE
