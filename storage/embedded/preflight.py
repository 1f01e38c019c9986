"""Checks of an external MongoDB before Switchboard uses it. The embedded one is in replica_set.py."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure, PyMongoError, ServerSelectionTimeoutError

from storage.errors import DeploymentError as DeploymentError
from storage.threads import MOST_CONNECTIONS
from storage.uris import UnusableURI, redact, without_overridden_options, without_quotations

ANSWER_MS = 5_000
#: MongoDB 6.0.
OLDEST_WIRE_VERSION = 17
UNAUTHORIZED = 13
AUTHENTICATION_FAILED = 18


def complete_uri(uri: str) -> str:
    """The URI with the options that Switchboard sets itself. Raises DeploymentError."""
    try:
        return without_overridden_options(uri, connections=MOST_CONNECTIONS)
    except UnusableURI as error:
        raise DeploymentError(str(error)) from None


def verify_deployment(uri: str, database: str, *, answer_ms: int = ANSWER_MS) -> None:
    """Raise DeploymentError unless `uri` names a replica set or sharded cluster whose `database` can be used."""
    place = redact(uri)
    with connect(uri, answer_ms) as client:
        try:
            hello = client.admin.command("hello")
            require_supported(hello, place)
            # Matches no document, and requires the role that all other commands require.
            client[database]["apps"].update_one({"_id": "no document has this id"}, {"$set": {"name": ""}})
        except ServerSelectionTimeoutError as error:
            raise DeploymentError(
                f"MongoDB at {place} did not answer within {answer_ms / 1000:g} s: {one_line(error)}. "
                "Is it running, and does its replica set have a primary?"
            ) from None
        except OperationFailure as error:
            if error.code not in (UNAUTHORIZED, AUTHENTICATION_FAILED):
                raise to_deployment_error(place, error) from None
            raise DeploymentError(
                f"MongoDB at {place} refuses this user: {one_line(error)}. Set SWITCHBOARD_MONGODB_URI to a user and "
                f"password with the role readWrite on the database {database}."
            ) from None
        except PyMongoError as error:
            raise to_deployment_error(place, error) from None


def connect(uri: str, answer_ms: int) -> MongoClient[dict[str, Any]]:
    """Connect to the primary. Raises DeploymentError for an option that the driver refuses or ignores."""
    with warnings.catch_warnings(record=True) as ignored:
        warnings.simplefilter("always", UserWarning)
        try:
            client: MongoClient[dict[str, Any]] = MongoClient(
                uri,
                readPreference="primary",
                serverSelectionTimeoutMS=answer_ms,
                connectTimeoutMS=answer_ms,
                socketTimeoutMS=answer_ms,
            )
        except OSError as error:  # such as a certificate that cannot be read
            raise DeploymentError(
                f"SWITCHBOARD_MONGODB_URI names a file that cannot be used: {error.filename or one_line(error)}: "
                f"{error.strerror or type(error).__name__}."
            ) from None
        except (InvalidURI, ConfigurationError, ValueError) as error:
            raise DeploymentError(
                f"SWITCHBOARD_MONGODB_URI is not a MongoDB URI: {without_quotations(one_line(error))}."
            ) from None
    for warning in ignored:
        if issubclass(warning.category, UserWarning):
            client.close()
            raise DeploymentError(
                f"SWITCHBOARD_MONGODB_URI has an option that has no effect: {one_line(warning.message)}."
            )
    return client


def has_document(uri: str, database: str, collection: str, id: str, *, answer_ms: int = ANSWER_MS) -> bool:
    """Return whether the collection has a document with that id. Creates no collection."""
    with connect(uri, answer_ms) as client:
        return client[database][collection].find_one({"_id": id}, {"_id": 1}) is not None


@contextmanager
def translating_driver_errors(uri: str) -> Iterator[None]:
    """Raise DeploymentError in place of the driver's exceptions in the block, which uses the database at `uri`."""
    try:
        yield
    except PyMongoError as error:
        raise to_deployment_error(redact(uri), error) from None


def to_deployment_error(place: str, error: Exception) -> DeploymentError:
    """Wrap an exception of the driver that has no message of its own here."""
    return DeploymentError(f"MongoDB at {place} cannot be used: {one_line(error)}.")


def require_supported(hello: dict[str, Any], place: str) -> None:
    """Raise DeploymentError if the reply to `hello` is of a standalone server, or of a version that is too old."""
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise DeploymentError(
            f"MongoDB at {place} is a standalone server, and Switchboard needs a replica set, for transactions and "
            "change streams. One node is enough: start it with --replSet rs0 and run rs.initiate() in mongosh once; "
            "or leave SWITCHBOARD_MONGODB_URI unset to use the embedded MongoDB."
        )
    if hello["maxWireVersion"] < OLDEST_WIRE_VERSION:
        raise DeploymentError(f"MongoDB at {place} is older than version 6.0, the oldest that Switchboard works with.")


def one_line(error: Exception | Warning | str) -> str:
    """Return the driver's message on one line, without its description of the topology."""
    text = re.split(r", Timeout: |, full error: | \(configured timeouts: ", str(error))[0]
    return " ".join(text.split()).rstrip(".")
