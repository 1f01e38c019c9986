"""Servers and programs in real processes."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests import processes
from tests.acceptance.clients import Client
from tests.processes import ADMIN_TOKEN, ServerProcess, Serving, mongods_on

Serve = Callable[..., str]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a server with these settings, by default on a folder of this test, and returns its port."""
    started: list[Serving] = []

    def serve(**settings: str) -> str:
        started.append(server := Serving(**{"DATA_DIR": str(tmp_path / "data"), **settings}))
        return str(urlsplit(server.url).port)

    yield serve
    for server in started:
        server.terminate()
    for pid in mongods_on(tmp_path):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a `switchboard` command to its end, by default on the folder of this test."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return processes.run(*arguments, **{"DATA_DIR": str(tmp_path / "data"), **settings})

    return run


@pytest.fixture(scope="session")
def admin(mongodb_uri: str) -> Iterator[Client]:
    """A client with the admin token of a server that all tests of the contract share."""
    with ServerProcess(mongodb_uri, "test-contract") as server, httpx.Client(timeout=30) as http:
        yield Client(http, server.url, ADMIN_TOKEN)
