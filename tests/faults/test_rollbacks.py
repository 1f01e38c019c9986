"""What a primary acknowledged alone is rolled back, and then nothing else is written over the same connection.

storage/mongo/direct_writes.py relies on that: `LocalCommit`.
"""

import itertools
import signal
import socket
from pathlib import Path
from typing import Any

import bson
from pymongo.read_preferences import Nearest

from storage.embedded.node import wait_for
from storage.embedded.replica_set import EmbeddedReplicaSet
from storage.mongo import wire

SECONDS = 60
_IDS = itertools.count(1)


def ask(connection: socket.socket, command: dict[str, Any]) -> dict[str, Any]:
    connection.sendall(wire.encode(next(_IDS), {**command, "$db": "test"}))
    received = bytearray()
    while wire.end_of_message(received, 0) is None:
        received += connection.recv(65_536)
    (document,) = wire.documents_of(bytes(received))
    return bson.decode(document)


def test_a_server_closes_its_connections_before_it_rolls_back(tmp_path: Path) -> None:
    replica_set = EmbeddedReplicaSet(tmp_path, nodes=3, cache_gb=0.25, election_timeout_ms=1_000, heartbeat_ms=300)
    with replica_set as mongod:
        primary = next(node for node in mongod.nodes if node.is_primary())
        others = [node for node in mongod.nodes if node is not primary]
        with socket.create_connection(("127.0.0.1", primary.port), timeout=SECONDS) as connection:
            ask(connection, {"hello": 1})  # as the driver begins
            for node in others:
                node.signal(signal.SIGSTOP)
            written = ask(connection, {"insert": "log", "documents": [{"_id": 1}], "writeConcern": {"w": 1}})
            primary.signal(signal.SIGSTOP)
            for node in others:
                node.signal(signal.SIGCONT)
            wait_for(lambda: any(node.is_primary() for node in others), "no other primary was elected", mongod.nodes)
            primary.signal(signal.SIGCONT)

            rest = connection.recv(1)

        wait_for(primary.is_in_sync, "the primary that was stopped is not in sync", mongod.nodes)
        with primary.client() as client:
            stored = client["test"].get_collection("log", read_preference=Nearest()).count_documents({})
    assert written["n"] == 1
    assert rest == b""
    assert stored == 0
