"""Servers and programs in real processes, started by their command lines."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.clients import Client
from tests.processes import ADMIN_TOKEN, ServerProcess, mongods_on

ROOT = Path(__file__).parents[2]

Serve = Callable[..., str]
Run = Callable[..., subprocess.CompletedProcess[str]]


def environment(settings: dict[str, str]) -> dict[str, str]:
    """The environment of this process, with these settings of Switchboard alone."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SWITCHBOARD_")}
    return own | {f"SWITCHBOARD_{name}": value for name, value in settings.items()}


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a server with these settings, by default on a folder of this test, and returns its port."""
    started: list[subprocess.Popen[str]] = []

    def serve(**settings: str) -> str:
        server = subprocess.Popen(
            [sys.executable, "-m", "server", "serve"],
            cwd=ROOT,
            env=environment({"DATA_DIR": str(tmp_path / "data"), "PORT": "0"} | settings),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(server)
        assert server.stdout is not None
        for line in server.stdout:
            if found := re.search(r"GraphQL +http://127\.0\.0\.1:(\d+)/", line):
                return found.group(1)
        raise AssertionError("The server ended instead of serving.")

    yield serve
    for server in started:
        server.terminate()
        server.communicate()
    for pid in mongods_on(tmp_path):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a `switchboard` command to its end, by default on the folder of this test."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "server", *arguments],
            cwd=ROOT,
            env=environment({"DATA_DIR": str(tmp_path / "data")} | settings),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def admin(mongodb_uri: str) -> Iterator[Client]:
    """A client with the admin token of a server that all tests of the contract share."""
    with ServerProcess(mongodb_uri, "test-contract") as server, httpx.Client(timeout=30) as http:
        yield Client(http, server.url, ADMIN_TOKEN)
