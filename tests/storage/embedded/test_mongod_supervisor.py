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

PATIENCE_SECONDS = 30


@pytest.fixture
def told_to_end() -> Iterator[threading.Event]:
    """Set when this process is told to end."""
    told = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: told.set())
    yield told
    signal.signal(signal.SIGTERM, before)


def kill_until_told(folder: Path, told_to_end: threading.Event) -> None:
    """Kill the mongod that is kept alive on the folder, until the program is told to end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with EmbeddedReplicaSet(folder) as mongod, supervised(mongod):
        while not told_to_end.wait(0.01):
            assert time.monotonic() < deadline
            mongod.nodes[0].signal(signal.SIGKILL)


def test_mongod_that_was_killed_runs_again_with_its_data_on_the_same_port(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with EmbeddedReplicaSet(tmp_path) as mongod, supervised(mongod), connect(mongod.uri) as client:
        client.notes.notes.insert_one({"_id": 1})
        killed = mongod.nodes[0].pid
        os.kill(killed, signal.SIGKILL)

        kept = list(client.notes.notes.find())

        assert kept == [{"_id": 1}]
        assert mongods_on(tmp_path) == [mongod.nodes[0].pid] != [killed]
    assert mongods_on(tmp_path) == []
    assert caplog.record_tuples == [
        (
            "storage.embedded.mongod_supervisor",
            logging.ERROR,
            "The embedded mongod ended by SIGKILL; starting it again.",
        )
    ]


def test_mongod_that_was_taken_over_is_kept_alive_too(tmp_path: Path) -> None:
    left_over = abandon(tmp_path)

    with EmbeddedReplicaSet(tmp_path) as mongod, supervised(mongod), connect(mongod.uri) as client:
        assert mongods_on(tmp_path) == [left_over]
        os.kill(left_over, signal.SIGKILL)

        assert list(client.notes.notes.find()) == [{"_id": "written by the killed one"}]


def test_mongod_that_ends_again_and_again_ends_the_program_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told_to_end: threading.Event
) -> None:
    monkeypatch.setattr(mongod_supervisor, "MAX_RESTARTS", 2)

    with pytest.raises(DeploymentError) as caught:
        kill_until_told(tmp_path, told_to_end)

    assert str(caught.value).startswith("The embedded mongod ended 2 times within ")
    assert str(caught.value).endswith(f"now by SIGKILL: it said nothing (its log: {tmp_path}/node-0.log)")
    assert mongods_on(tmp_path) == []


def test_mongod_that_cannot_be_started_again_ends_the_program_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told_to_end: threading.Event
) -> None:
    def gone() -> Path:
        raise DeploymentError("There is no mongod on this machine.")

    monkeypatch.setattr(mongod_supervisor, "find_binary", gone)

    with pytest.raises(DeploymentError) as caught:
        kill_until_told(tmp_path, told_to_end)

    assert str(caught.value) == (
        "The embedded mongod ended by SIGKILL and cannot be started again: There is no mongod on this machine."
    )


def test_a_deleted_data_folder_ends_the_program_with_one_line(tmp_path: Path, told_to_end: threading.Event) -> None:
    folder = tmp_path / "node-0"

    def delete_while_it_runs() -> None:
        with EmbeddedReplicaSet(tmp_path) as mongod, supervised(mongod):
            folder.rename(tmp_path / "elsewhere")
            assert told_to_end.wait(PATIENCE_SECONDS)

    with pytest.raises(DeploymentError) as failure:
        delete_while_it_runs()

    assert str(failure.value) == (
        f"The data folder {folder} is gone: the embedded MongoDB ends, and its data with it. Restore the folder "
        "from a backup, or start again to begin with an empty one."
    )
    assert mongods_on(tmp_path) == []


def test_a_full_disk_is_named_as_what_ended_a_mongod(tmp_path: Path) -> None:
    log = tmp_path / "node-0.log"
    log.write_text('{"s":"E","msg":"WiredTiger error message","error":"pwrite: No space left on device"}\n{"s":"F"}\n')

    assert log_errors(log) == f"the disk of {tmp_path} is full: free space there, and start again"
