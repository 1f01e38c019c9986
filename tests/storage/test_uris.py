"""The options of SWITCHBOARD_MONGODB_URI that are used, and the redaction of its password."""

import logging
import re

import pytest

from storage.embedded.preflight import DeploymentError, complete_uri, connect
from storage.threads import DIRECT_CONNECTIONS, THREADS
from storage.uris import UnusableURI, redact, without_overridden_options

NEEDED = 64
SECRETS = ("pa", "ss", "wo", "rd")
UNESCAPED = [
    "mongodb://user:pa@ss@host/?replicaSet=rs0",
    "mongodb://user:pa/ss@host/?replicaSet=rs0",
    "mongodb://user:pa/ss/wo@rd@host",
    "mongodb://user:pa?ss@host/",
    "mongodb://user:pa#ss@host/",
    "mongodb+srv://user:pa/ss:wo@host/db?tls=true",
]


def test_overridden_options_are_removed_and_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    uri = (
        "mongodb://host/db?replicaSet=rs0&readPreference=secondaryPreferred&maxStalenessSeconds=120&tls=true"
        "&readPreferenceTags=dc:ny&readPreferenceTags=&w=1&READCONCERNLEVEL=local&compressors=zstd"
    )

    assert without_overridden_options(uri, connections=NEEDED) == "mongodb://host/db?replicaSet=rs0&tls=true"

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "SWITCHBOARD_MONGODB_URI: readPreference, maxStalenessSeconds, readPreferenceTags, w, readConcernLevel, "
        "compressors has no effect; Switchboard reads from the primary with read concern majority, "
        "writes with write concern majority, and compresses nothing."
    )


@pytest.mark.parametrize(
    "uri", ["mongodb://host", "mongodb://a,b:1/db?replicaSet=rs0&maxPoolSize=64", "mongodb://h/?w=1"]
)
def test_other_options_are_not_changed(uri: str) -> None:
    assert without_overridden_options(uri, connections=NEEDED) == uri.removesuffix("?w=1")


def test_pool_has_a_connection_for_each_thread_beside_those_that_stay_checked_out() -> None:
    assert complete_uri(f"mongodb://host/?maxPoolSize={NEEDED}") == f"mongodb://host/?maxPoolSize={NEEDED}"
    assert sum(THREADS.values()) + sum(DIRECT_CONNECTIONS.values()) == NEEDED
    with pytest.raises(DeploymentError):
        complete_uri(f"mongodb://host/?maxPoolSize={NEEDED - 1}")


def test_a_pool_that_is_too_small_is_refused_with_the_number_that_is_needed() -> None:
    with pytest.raises(DeploymentError) as refusal:
        complete_uri("mongodb://host/?maxpoolsize=3")

    assert str(refusal.value) == (
        f"SWITCHBOARD_MONGODB_URI sets maxPoolSize=3, and Switchboard needs at least {NEEDED} "
        "connections per process: raise it, or leave it out."
    )


@pytest.mark.parametrize("uri", UNESCAPED)
def test_an_unescaped_password_is_refused_and_not_printed(uri: str) -> None:
    with pytest.raises(UnusableURI, match="%40 for @, %2F for /") as refusal:
        without_overridden_options(uri, connections=NEEDED)

    shown = re.findall(r"\w+", f"{refusal.value} {redact(uri)}")
    assert not set(shown) & set(SECRETS)


@pytest.mark.parametrize("uri", ["mongodb://user:hunter2", "mongodb://user:hunter2@ho st:x/"])
def test_messages_of_the_driver_quote_no_part_of_a_uri(uri: str) -> None:
    with pytest.raises(DeploymentError, match="SWITCHBOARD_MONGODB_URI is not a MongoDB URI") as refusal:
        connect(uri, 1)

    assert "hunter2" not in str(refusal.value)


def test_a_redacted_uri_has_only_the_hosts() -> None:
    assert redact("mongodb://user:p%40ss@a:1,b:2/db?replicaSet=rs0&appName=x@y") == "a:1,b:2"
    assert redact("mongodb://a:1?appName=x@y") == "a:1"
