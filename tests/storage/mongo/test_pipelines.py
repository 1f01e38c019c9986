"""Commands of one transaction are sent at once, and each has its own reply."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.errors import AutoReconnect, NotPrimaryError, OperationFailure
from pymongo.monitoring import CommandFailedEvent, CommandStartedEvent, CommandSucceededEvent
from pymongo.synchronous.pool import Connection
from typing_extensions import override

from storage.mongo import pipelines
from storage.mongo.connection import Document
from tests.commands import StartedCommands

NAME = "test-pipelines"


class Events(StartedCommands):
    """The events of commands of transactions, in order."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @override
    def started(self, event: CommandStartedEvent) -> None:
        self.seen.append(f"{event.command_name} started")

    @override
    def succeeded(self, event: CommandSucceededEvent) -> None:
        self.seen.append(f"{event.command_name} succeeded")

    @override
    def failed(self, event: CommandFailedEvent) -> None:
        self.seen.append(f"{event.command_name} failed")


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def client(mongodb_uri: str, events: Events) -> Iterator[MongoClient[Document]]:
    with MongoClient[Document](mongodb_uri, event_listeners=[events]) as client:
        client[NAME].drop_collection("texts")
        client[NAME].create_collection("texts")
        events.seen.clear()
        yield client


@pytest.fixture
def session(client: MongoClient[Document]) -> Iterator[ClientSession]:
    with client.start_session() as session:
        session.start_transaction()
        yield session


def insertion(document_id: str) -> Document:
    return {"insert": "texts", "documents": [{"_id": document_id}]}


def update(document_id: str) -> Document:
    return {"update": "texts", "updates": [{"q": {"_id": document_id}, "u": {"$inc": {"count": 1}}}]}


def stored(client: MongoClient[Document]) -> dict[str, Any]:
    return {document["_id"]: document.get("count") for document in client[NAME]["texts"].find({})}


def test_commands_are_executed_in_their_order_in_the_transaction(
    client: MongoClient[Document], session: ClientSession
) -> None:
    inserted, found, missed = pipelines.run(
        client, NAME, [insertion("one"), update("one"), update("two")], session=session
    )

    assert [isinstance(reply, dict) and reply["n"] for reply in (inserted, found, missed)] == [1, 1, 0]
    assert stored(client) == {}
    session.commit_transaction()
    assert stored(client) == {"one": 1}


def test_events_of_all_commands_are_published(
    client: MongoClient[Document], session: ClientSession, events: Events
) -> None:
    pipelines.run(client, NAME, [insertion("one"), {"none": 1}], session=session)

    assert events.seen == ["insert started", "none started", "insert succeeded", "none failed"]


def test_an_error_of_a_command_is_its_reply(client: MongoClient[Document]) -> None:
    first, refused, last = pipelines.run(client, NAME, [insertion("one"), {"none": 1}, insertion("two")])

    assert isinstance(refused, OperationFailure)
    assert [isinstance(reply, dict) and reply["n"] for reply in (first, last)] == [1, 1]
    assert stored(client) == {"one": None, "two": None}


def test_commands_after_one_that_aborts_the_transaction_fail(
    client: MongoClient[Document], session: ClientSession
) -> None:
    client[NAME]["texts"].insert_one({"_id": "taken"})

    refused, last = pipelines.run(client, NAME, [insertion("taken"), insertion("two")], session=session)

    assert isinstance(refused, dict)
    assert [error["code"] for error in refused["writeErrors"]] == [11_000]
    assert isinstance(last, OperationFailure)
    assert last.has_error_label("TransientTransactionError")
    assert stored(client) == {"taken": None}


def test_a_write_that_no_majority_acknowledges_is_an_error(client: MongoClient[Document]) -> None:
    (reply,) = pipelines.run(client, NAME, [{**insertion("one"), "writeConcern": {"w": 3, "wtimeout": 1}}])

    assert isinstance(reply, OperationFailure)


def test_a_lost_connection_is_an_error_after_which_the_transaction_can_run_again(
    client: MongoClient[Document], session: ClientSession, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(connection: Connection, message: bytes, largest: int) -> None:
        connection.conn.get_conn.shutdown(socket.SHUT_RDWR)

    with monkeypatch.context() as patched:
        patched.setattr(Connection, "send_message", send)
        with pytest.raises(AutoReconnect) as lost:
            pipelines.run(client, NAME, [insertion("one"), insertion("two")], session=session)

    assert lost.value.has_error_label("TransientTransactionError")
    assert events.seen == ["insert started", "insert started", "insert failed", "insert failed"]
    session.abort_transaction()
    session.start_transaction()
    pipelines.run(client, NAME, [insertion("one")], session=session)
    session.commit_transaction()
    assert stored(client) == {"one": None}


def test_the_driver_looks_for_another_primary_after_a_reply_of_a_server_that_is_none(
    client: MongoClient[Document], session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    primary = client.topology_description.has_writable_server()

    def refuse(reply: Document, *_: object, **__: object) -> None:
        raise NotPrimaryError("not primary", {"ok": 0, "code": 10_107})

    with monkeypatch.context() as patched:
        patched.setattr("pymongo.helpers_shared._check_command_response", refuse)
        with pytest.raises(NotPrimaryError):
            pipelines.run(client, NAME, [insertion("one")], session=session)

    assert primary
    assert not client.topology_description.has_writable_server()
