import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from pymongo import MongoClient

from server.cli.commands import COMMANDS
from storage.embedded.node import find_binary, free_port
from storage.embedded.replica_set import EmbeddedReplicaSet
from storage.uris import redact
from tests.processes import ROOT, environment, mongods_on
from tests.processes import run as switchboard
from tests.server.cli.forked import Forked, url_in, wait_until_ready

#: Starts the program itself.
Start = Callable[..., subprocess.Popen[str]]
#: Starts the same command in a forked process.
Fork = Callable[..., Forked]


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program itself to its end. Other tests fork its commands (tests/processes.py), which takes less time."""
    command = [sys.executable, "-m", "server", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers on the folder `data` under tmp_path, each in a process group, as a shell starts them."""
    started: list[subprocess.Popen[str]] = []

    def start(command: str = "serve", **settings: str) -> subprocess.Popen[str]:
        given = environment(**{"DATA_DIR": str(tmp_path / "data"), "PORT": "0"} | settings)
        pipe = subprocess.PIPE
        server = subprocess.Popen(
            [sys.executable, "-m", "server", command],
            cwd=ROOT,
            env=given,
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
        )
        started.append(server)
        return server

    yield start
    for server in started:
        if server.poll() is None:
            server.kill()
        server.communicate()
    for pid in mongods_on(tmp_path):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def fork(tmp_path: Path) -> Iterator[Fork]:
    """Starts servers as `start` does, in forked processes."""
    started: list[Forked] = []

    def fork(command: str = "serve", **settings: str) -> Forked:
        started.append(Forked(command, **{"DATA_DIR": str(tmp_path / "data"), "PORT": "0"} | settings))
        return started[-1]

    yield fork
    for server in started:
        server.close()
    for pid in mongods_on(tmp_path):
        os.kill(pid, signal.SIGKILL)


def one_line(text: str) -> str:
    """The only line of a text."""
    (line,) = text.splitlines()
    return line


@contextmanager
def inherited(number: signal.Signals, handler: signal.Handlers) -> Iterator[None]:
    """Processes that are started in the block begin with this handler, also if these tests run under nohup."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


# ---------------------------------------------------------------- serve


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_stops_server_and_mongod_without_errors(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    with inherited(number, signal.SIG_DFL):
        server = start()
    url = url_in(wait_until_ready(server))
    assert httpx.post(url, json={"query": "{ __typename }"}).json() == {"data": {"__typename": "Query"}}
    assert httpx.get(url.replace("/graphql", "/health/ready")).json() == {"status": "ok"}

    os.killpg(server.pid, number)
    output, errors = server.communicate(timeout=90)

    assert server.returncode == 0
    lines = [json.loads(line) for line in errors.splitlines()]
    assert [line["event"] for line in lines] == ["operation", "Switchboard has stopped."]
    assert output == "Switchboard has stopped.\n"
    assert mongods_on(tmp_path) == []


def test_server_under_nohup_continues_after_its_terminal_closes(
    start: Start, mongodb_uri: str, database_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with inherited(signal.SIGHUP, signal.SIG_IGN):
        server = start(MONGODB_URI=mongodb_uri, DATABASE=database_name)
    url = url_in(wait_until_ready(server))

    server.send_signal(signal.SIGHUP)

    assert httpx.post(url, json={"query": "{ __typename }"}).json() == {"data": {"__typename": "Query"}}
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=90) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_server_restarts_a_killed_mongod(fork: Fork, tmp_path: Path, workers: str) -> None:
    server = fork(WORKERS=workers, LOG_LEVEL="error", ADMIN_TOKEN="the-admin-token")
    url = url_in(wait_until_ready(server))
    (killed,) = mongods_on(tmp_path)
    os.kill(killed, signal.SIGKILL)

    answer = httpx.post(
        url,
        json={"query": 'mutation { createRole(input: {name: "late"}) { role { name } } }'},
        headers={"authorization": "Bearer the-admin-token"},
        timeout=120,
    ).json()

    assert answer == {"data": {"createRole": {"role": {"name": "late"}}}}
    assert killed not in mongods_on(tmp_path)
    server.send_signal(signal.SIGTERM)
    _, errors = server.communicate(timeout=90)
    assert server.returncode == 0
    assert json.loads(one_line(errors))["event"] == "The embedded mongod ended by SIGKILL; starting it again."
    assert mongods_on(tmp_path) == []


@pytest.mark.parametrize("command", ["serve", "mongod"])
def test_server_whose_mongod_keeps_failing_exits_with_one_line(fork: Fork, tmp_path: Path, command: str) -> None:
    if command == "mongod":
        with EmbeddedReplicaSet(tmp_path / "data" / "mongodb"):
            pass  # it needs existing data
    running = fork(command=command)
    assert running.stdout is not None
    running.stdout.readline()  # the server is ready
    while running.poll() is None:
        for pid in mongods_on(tmp_path):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    _, errors = running.communicate(timeout=90)

    assert running.returncode == 1
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("switchboard: The embedded mongod ended 5 times within ")
    assert mongods_on(tmp_path) == []


def test_sigterm_does_not_wait_for_an_unreachable_mongodb(fork: Fork, tmp_path: Path) -> None:
    with EmbeddedReplicaSet(tmp_path / "other") as mongod:
        server = fork(MONGODB_URI=mongod.uri, ADMIN_TOKEN="the-admin-token")
        url = url_in(wait_until_ready(server))
        os.kill(mongod.nodes[0].pid, signal.SIGKILL)
        asking = HTTPConnection(urlsplit(url).netloc, timeout=60)
        query = json.dumps({"query": 'mutation { createRole(input: {name: "never"}) { role { name } } }'})
        headers = {"authorization": "Bearer the-admin-token", "content-type": "application/json"}
        asking.request("POST", "/graphql", query, headers)
        # The server has read the first request when it answers a later one.
        assert httpx.get(url.replace("/graphql", "/health/live"), timeout=60).status_code == 200

        server.send_signal(signal.SIGTERM)
        _, errors = server.communicate(timeout=15)
        with closing(asking):
            answer = asking.getresponse()
            body = json.load(answer)

    assert server.returncode == 0
    assert answer.status == 503
    assert [error["extensions"]["code"] for error in body["errors"]] == ["UNAVAILABLE"]
    assert "Traceback" not in errors


def test_next_server_reuses_the_folder_of_a_killed_server(fork: Fork, tmp_path: Path) -> None:
    first = fork()
    wait_until_ready(first)
    left_over = mongods_on(tmp_path)
    first.kill()
    first.wait(timeout=90)

    second = fork()
    wait_until_ready(second)

    assert len(left_over) == 1
    assert mongods_on(tmp_path) == left_over
    second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=90) == 0
    assert mongods_on(tmp_path) == []


def test_second_server_on_a_folder_is_refused(fork: Fork, tmp_path: Path) -> None:
    first = fork()
    url = url_in(wait_until_ready(first))

    second = fork()
    _, errors = second.communicate(timeout=90)

    assert second.returncode == 1
    assert one_line(errors) == (
        f"switchboard: The data folder {tmp_path}/data/mongodb is in use by another Switchboard (process {first.pid}): "
        "stop that one, or set SWITCHBOARD_DATA_DIR to another folder."
    )
    assert httpx.get(url.replace("/graphql", "/health/ready")).status_code == 200


def test_app_created_while_a_server_runs_can_be_used_immediately(fork: Fork, tmp_path: Path) -> None:
    url = url_in(wait_until_ready(fork()))

    created = switchboard("create-app", "crm", "--scopes", "users:read, rooms:read", DATA_DIR=str(tmp_path / "data"))

    assert created.returncode == 0
    assert created.stderr.splitlines() == [
        f"Using the database switchboard of the embedded MongoDB under {tmp_path}/data.",
        "The app crm has the scopes rooms:read, users:read. Its token is shown this once:",
    ]
    headers = {"authorization": f"Bearer {one_line(created.stdout)}"}
    answer = httpx.post(url, json={"query": "{ viewer { type name } }"}, headers=headers).json()
    assert answer == {"data": {"viewer": {"type": "APP", "name": "crm"}}}


def test_admin_token_is_printed_only_by_the_first_start(fork: Fork, mongodb_uri: str, database_name: str) -> None:
    first = fork(MONGODB_URI=mongodb_uri, DATABASE=database_name)
    printed = wait_until_ready(first)
    found = re.search(r"Admin token +(\S+)", printed)
    assert found is not None
    first.send_signal(signal.SIGTERM)
    first.wait(timeout=90)

    second = fork(MONGODB_URI=mongodb_uri, DATABASE=database_name)
    printed_again = wait_until_ready(second)

    assert "Admin token" not in printed_again
    headers = {"authorization": f"Bearer {found.group(1)}"}
    answer = httpx.post(url_in(printed_again), json={"query": "{ viewer { name } }"}, headers=headers).json()
    assert answer == {"data": {"viewer": {"name": "admin"}}}


def test_configured_admin_token_is_used_and_not_printed(fork: Fork, mongodb_uri: str, database_name: str) -> None:
    chosen = "chosen-by-the-operator"
    server = fork(MONGODB_URI=mongodb_uri, DATABASE=database_name, ADMIN_TOKEN=chosen)
    printed = wait_until_ready(server)

    assert "Admin token" not in printed
    headers = {"authorization": f"Bearer {chosen}"}
    answer = httpx.post(url_in(printed), json={"query": "{ viewer { name } }"}, headers=headers).json()
    assert answer == {"data": {"viewer": {"name": "admin"}}}


def test_port_in_use_is_refused_in_one_line_and_starts_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        refused = switchboard("serve", "--port", str(port), DATA_DIR=str(tmp_path / "data"))

    assert refused.returncode == 1
    assert one_line(refused.stderr) == (
        f"switchboard: Port {port} of 127.0.0.1 is in use: stop the program that listens there, or choose another "
        "port with --port or SWITCHBOARD_PORT."
    )
    assert not (tmp_path / "data").exists()


def test_standalone_mongodb_is_refused_with_a_remedy(tmp_path: Path) -> None:
    port = free_port()
    command = [str(find_binary()), "--dbpath", str(tmp_path), "--port", str(port), "--bind_ip", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as standalone:
        try:
            with MongoClient[dict[str, Any]]("127.0.0.1", port, directConnection=True) as client:
                client.admin.command("ping")  # waits until it answers
            refused = switchboard("serve", PORT="0", MONGODB_URI=f"mongodb://127.0.0.1:{port}")
        finally:
            standalone.terminate()

    assert refused.returncode == 1
    assert one_line(refused.stderr) == (
        f"switchboard: MongoDB at 127.0.0.1:{port} is a standalone server, and Switchboard needs a replica set, for "
        "transactions and change streams. One node is enough: start it with --replSet rs0 and run rs.initiate() in "
        "mongosh once; or leave SWITCHBOARD_MONGODB_URI unset to use the embedded MongoDB."
    )


@pytest.mark.parametrize("options", ["tls=true&tlsCAFile=/nope", "foo=bar"])
def test_unsupported_mongodb_uri_is_refused_in_one_line(mongodb_uri: str, options: str) -> None:
    refused = switchboard("serve", PORT="0", MONGODB_URI=f"{mongodb_uri}&{options}")

    assert refused.returncode == 1
    assert one_line(refused.stderr).startswith("switchboard: SWITCHBOARD_MONGODB_URI ")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_unusable_database_is_reported_in_one_line(mongodb_uri: str, database_name: str, workers: str) -> None:
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        client[database_name.upper()]["notes"].insert_one({})

    refused = switchboard("serve", PORT="0", WORKERS=workers, MONGODB_URI=mongodb_uri, DATABASE=database_name)

    assert refused.returncode == 1
    assert one_line(refused.stderr).startswith(f"switchboard: MongoDB at {redact(mongodb_uri)} cannot be used: ")


def test_wrong_setting_is_refused_in_one_line() -> None:
    refused = switchboard("serve", ROUTING="FASTEST")

    assert refused.returncode == 1
    assert one_line(refused.stderr) == (
        'switchboard: SWITCHBOARD_ROUTING must be one of LEAST_LOADED, ROUND_ROBIN, MANUAL, EXTERNAL, not "FASTEST".'
    )


def test_error_names_the_option_as_given() -> None:
    refused = switchboard("serve", "--port", "x")

    assert one_line(refused.stderr) == 'switchboard: --port must be a whole number from 0 to 65535, not "x".'


def test_misspelt_setting_logs_a_warning() -> None:
    refused = switchboard("mongod", PROT="9000", MONGODB_URI="mongodb://elsewhere")

    assert refused.stderr.splitlines() == [
        "switchboard: warning: there is no setting SWITCHBOARD_PROT; did you mean SWITCHBOARD_PORT?",
        "switchboard: SWITCHBOARD_MONGODB_URI is set, so there is no embedded MongoDB to run.",
    ]


def test_ctrl_c_during_imports_prints_no_traceback() -> None:
    interrupted = """
import builtins, os, signal
from server.__main__ import main
found = builtins.__import__
def find(name, *others, **given):
    if name == "server.cli.main":
        os.kill(os.getpid(), signal.SIGINT)
    return found(name, *others, **given)
builtins.__import__ = find
main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", interrupted], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


# ---------------------------------------------------------------- help


def test_help_names_every_command() -> None:
    shown = program("--help")

    assert shown.returncode == 0
    assert set(re.findall(r"^    (\S+)", shown.stdout, re.MULTILINE)) >= {command.name for command in COMMANDS}


def test_missing_command_prints_help_and_fails() -> None:
    shown = switchboard()

    assert shown.returncode == 2
    assert shown.stdout == switchboard("--help").stdout
