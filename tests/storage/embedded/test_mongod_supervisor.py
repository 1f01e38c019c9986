import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.embedded import mongod_supervisor
from storage.embedded.mongod_supervisor import supervised
from storage.embedded.node import log_errors
from storage.embedded.preflight import DeploymentError
from storage.embedded.replica_set import EmbeddedReplicaSet
from tests.processes import mongods_on
from tests.storage.embedded.test_replica_set import abandon, connect

TIMEOUT_SECONDS = 30


@pytest.fixture
def terminated() -> Iterator[threading.Event]:
    """An event that is set when this process receives SIGTERM."""
    received = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: received.set())
    yield received
    signal.signal(signal.SIGTERM, before)


def kill_until_terminated(folder: Path, terminated: threading.Event) -> None:
    """Kill the supervised mongod on the folder repeatedly, until this process receives SIGTERM."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    with EmbeddedReplicaSet(folder) as mongod, supervised(mongod, max_exits=2):
        while not terminated.wait(0.01):
            assert time.monotonic() < deadline
            mongod.nodes[0].signal(signal.SIGKILL)


def test_killed_mongod_is_restarted_with_its_data_on_the_same_port(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with EmbeddedReplicaSet(tmp_path) as mongod, supervised(mongod), connect(mongod.uri) as client:
        client.notes.notes.insert_one({"_id": 1})
        killed = mongod.nodes[0].pid
        os.kill(killed, signal.SIGKILL)

        notes = list(client.notes.notes.find())

        assert notes == [{"_id": 1}]
        assert mongods_on(tmp_path) == [mongod.nodes[0].pid] != [killed]
    assert mongods_on(tmp_path) == []
    assert caplog.record_tuples == [
        (
            "storage.embedded.mongod_supervisor",
            logging.ERROR,
            "The embedded mongod ended by SIGKILL; starting it again.",
        )
    ]


def test_adopted_mongod_is_restarted(tmp_path: Path) -> None:
    adopted = abandon(tmp_path)

    with EmbeddedReplicaSet(tmp_path) as mongod, supervised(mongod), connect(mongod.uri) as client:
        assert mongods_on(tmp_path) == [adopted]
        os.kill(adopted, signal.SIGKILL)

        assert list(client.notes.notes.find()) == [{"_id": "written by the killed one"}]


def test_mongod_that_exits_too_often_terminates_the_program(tmp_path: Path, terminated: threading.Event) -> None:
    with pytest.raises(DeploymentError) as caught:
        kill_until_terminated(tmp_path, terminated)

    assert str(caught.value).startswith("The embedded mongod ended 2 times within ")
    assert str(caught.value).endswith(f"now by SIGKILL: its log has no error (its log: {tmp_path}/node-0.log)")
    assert mongods_on(tmp_path) == []


def test_mongod_that_cannot_be_restarted_terminates_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminated: threading.Event
) -> None:
    def not_found() -> Path:
        raise DeploymentError("There is no mongod on this machine.")

    monkeypatch.setattr(mongod_supervisor, "find_binary", not_found)

    with pytest.raises(DeploymentError) as caught:
        kill_until_terminated(tmp_path, terminated)

    assert str(caught.value) == (
        "The embedded mongod ended by SIGKILL and cannot be started again: There is no mongod on this machine."
    )


def test_deleted_data_folder_terminates_the_program(tmp_path: Path, terminated: threading.Event) -> None:
    folder = tmp_path / "node-0"

    def delete_while_it_runs() -> None:
        with EmbeddedReplicaSet(tmp_path) as mongod, supervised(mongod):
            folder.rename(tmp_path / "elsewhere")
            assert terminated.wait(TIMEOUT_SECONDS)

    with pytest.raises(DeploymentError) as failure:
        delete_while_it_runs()

    assert str(failure.value) == (
        f"The data folder {folder} was deleted, and the data of the embedded MongoDB with it. Restore the folder "
        "from a backup, or start again with an empty one."
    )
    assert mongods_on(tmp_path) == []


def test_full_disk_is_named_in_the_error(tmp_path: Path) -> None:
    log = tmp_path / "node-0.log"
    log.write_text('{"s":"E","msg":"WiredTiger error message","error":"pwrite: No space left on device"}\n{"s":"F"}\n')

    assert log_errors(log) == f"the disk of {tmp_path} is full. Free space there, and start again"
