"""An app that stores its cursor misses no event when the server restarts: examples/watch.py, by its command line."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from storage.embedded.node import free_port
from tests.processes import ADMIN_TOKEN, ROOT, ServerProcess

CREATE = "mutation($name: String!) { createRole(input: {name: $name}) { role { name } } }"


@pytest.fixture
def port() -> str:
    return str(free_port())


@pytest.fixture
def watcher(port: str) -> Iterator[subprocess.Popen[str]]:
    """examples/watch.py with the server of this port, which may start later."""
    settings = {"SWITCHBOARD_PORT": port, "SWITCHBOARD_ADMIN_TOKEN": ADMIN_TOKEN}
    with subprocess.Popen(
        [sys.executable, "-m", "examples.watch"],
        cwd=ROOT,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def create_role(server: ServerProcess, name: str) -> None:
    answer = httpx.post(
        server.url,
        json={"query": CREATE, "variables": {"name": name}},
        headers={"authorization": f"Bearer {ADMIN_TOKEN}"},
        timeout=30,
    )
    assert answer.json() == {"data": {"createRole": {"role": {"name": name}}}}


def next_event(watcher: subprocess.Popen[str]) -> tuple[int, str, str]:
    """The sequence, type and subject of the next line."""
    assert watcher.stdout is not None
    found = re.match(r"#(\d+) +[\d:]{8}  (\w+) +(\S+)  by admin$", watcher.stdout.readline())
    assert found is not None
    return int(found.group(1)), found.group(2), found.group(3)


def test_events_continue_without_a_gap_after_a_server_restart(
    watcher: subprocess.Popen[str], port: str, mongodb_uri: str, database_name: str
) -> None:
    assert watcher.stderr is not None
    assert f"http://127.0.0.1:{port}/graphql does not answer" in watcher.stderr.readline()
    with ServerProcess(mongodb_uri, database_name, PORT=port) as server:
        server.url  # noqa: B018 - waits until it listens
        while watcher.stderr.readline() != f"Watching http://127.0.0.1:{port}/graphql\n":
            assert watcher.poll() is None
        create_role(server, "before")
        first, *before = next_event(watcher)
        server.kill()
    with ServerProcess(mongodb_uri, database_name) as elsewhere:
        create_role(elsewhere, "meanwhile")
    with ServerProcess(mongodb_uri, database_name, PORT=port) as server:
        create_role(server, "after")

        events = [next_event(watcher) for _ in range(2)]

    assert before == ["ROLE_CREATED", "before"]
    assert events == [(first + 1, "ROLE_CREATED", "meanwhile"), (first + 2, "ROLE_CREATED", "after")]


def test_ctrl_c_stops_the_program_without_errors(watcher: subprocess.Popen[str]) -> None:
    assert watcher.stderr is not None
    watcher.stderr.readline()

    watcher.send_signal(signal.SIGINT)

    assert watcher.wait(timeout=30) == 0
    assert "Traceback" not in watcher.stderr.read()
