"""Tests for storage/mongo/wire.py: messages are what the driver sends and reads."""

from typing import Any

import bson
import pytest
from bson.int64 import Int64
from bson.timestamp import Timestamp

from storage.mongo import wire


def reply(document: dict[str, Any]) -> bytes:
    return wire.encode(1, document)


def cursor(documents: list[dict[str, Any]], cursor_id: int = 0) -> dict[str, Any]:
    return {"cursor": {"firstBatch": documents, "id": Int64(cursor_id), "ns": "a.b"}, "ok": 1.0}


def test_message_is_a_header_and_the_command() -> None:
    message = wire.encode(7, {"find": "users", "filter": {}})

    assert wire.HEADER.unpack(message[: wire.HEADER.size]) == (len(message), 7, 0, 2013)
    assert message[wire.HEADER.size : wire.DOCUMENT] == b"\0" * 5
    assert bson.decode(message[wire.DOCUMENT :]) == {"find": "users", "filter": {}}


def test_a_message_ends_where_all_of_it_has_arrived() -> None:
    first, second = wire.encode(1, {"n": 1}), wire.encode(2, {"text": "x" * 1_000})
    messages = first + second

    ends = [wire.end_of_message(messages[:length], 0) for length in range(len(messages) + 1)]
    second_ends = [wire.end_of_message(messages[:length], len(first)) for length in range(len(messages) + 1)]

    assert ends == [None] * len(first) + [len(first)] * (len(second) + 1)
    assert second_ends == [None] * len(messages) + [len(messages)]


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 101, 1001])
def test_documents_of_a_batch_are_those_that_the_server_sent(count: int) -> None:
    documents = [{"_id": f"id {number}", "a": {"b": [number, "\0é"]}} for number in range(count)]

    batch = wire.batch_of(reply(cursor(documents, 2**40)))

    assert batch is not None
    assert [bson.decode(one) for one in batch.documents] == documents
    assert batch.cursor_id == 2**40


@pytest.mark.parametrize(
    "answer",
    [
        {"ok": 0.0, "errmsg": "no", "code": 2},
        {"ok": 1.0, **cursor([{"_id": 1}])},
        {"cursor": {"id": Int64(0), "ns": "a.b", "firstBatch": [{"_id": 1}]}, "ok": 1.0},
        {"cursor": {"firstBatch": [{"_id": 1}], "ns": "a.b", "id": Int64(0)}, "ok": 1.0},
        {"cursor": {"nextBatch": [{"_id": 1}], "id": Int64(0), "ns": "a.b"}, "ok": 1.0},
    ],
)
def test_reply_of_another_form_has_no_batch(answer: dict[str, Any]) -> None:
    assert wire.batch_of(reply(answer)) is None


TIMES = {
    "$clusterTime": {"clusterTime": Timestamp(7, 1), "signature": {"hash": b"\0" * 20, "keyId": Int64(3)}},
    "operationTime": Timestamp(7, 1),
}


@pytest.mark.parametrize(
    "document",
    [{"n": 1, "ok": 1.0}, {}, cursor([{"_id": "id", "version": 3}]), {"errmsg": "\x03$clusterTime", "ok": 0.0}],
)
def test_times_at_the_end_of_a_reply_are_left_out(document: dict[str, Any]) -> None:
    assert wire.without_times(bson.encode({**document, **TIMES})) == bson.encode(document)


@pytest.mark.parametrize(
    "document",
    [
        {"n": 1, "ok": 1.0},
        {"ok": 1.0, **TIMES, "n": 1},
        {"ok": 1.0, "$clusterTime": TIMES["$clusterTime"]},
        {"ok": 1.0, "operationTime": Timestamp(7, 1)},
        {"ok": 1.0, "text": bson.encode(TIMES)},
    ],
)
def test_a_reply_without_the_times_at_its_end_remains(document: dict[str, Any]) -> None:
    encoded = bson.encode(document)

    assert wire.without_times(encoded) == encoded
