"""Server processes and mongods, for tests that start real processes.

The processes are forked from a process that has imported the server, because the imports take seconds of CPU time.
Some tests of tests/server/cli/test_main.py start the program itself.
"""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, Self

from typing_extensions import override

ROOT = Path(__file__).parents[1]
ADMIN_TOKEN = "the-admin-token-of-the-tests"
#: How long a command that ends by itself may run.
RUN_SECONDS = 120

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["server.app", "server.cli.main"])


def mongods_on(folder: Path) -> list[int]:
    """The ids of the running mongods whose data is in this folder."""
    listing = subprocess.run(["ps", "-ww", "-e", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listing.splitlines() if f" --dbpath {folder}/" in line]


def environment(**settings: str) -> dict[str, str]:
    """The variables of this process, with these settings of Switchboard in place of its own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SWITCHBOARD_")}
    return own | {f"SWITCHBOARD_{name}": value for name, value in settings.items()}


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `switchboard` with these arguments until it ends."""
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        process = start(arguments, environment(**settings), {1: stdout.fileno(), 2: stderr.fileno()})
        process.join(RUN_SECONDS)
        if process.exitcode is None:
            process.kill()
            raise AssertionError(f"switchboard {' '.join(arguments)} does not end.")
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess(arguments, process.exitcode, stdout.read(), stderr.read())


def start(
    arguments: tuple[str, ...],
    variables: dict[str, str],
    streams: dict[int, int],
    prepare: Callable[[], object] | None = None,
) -> Any:
    """Fork a process that runs `switchboard` in a session of its own.

    Its file descriptors that are keys of `streams` are copies of descriptors of this process. It calls `prepare` first.
    """
    process = _FORKS.Process(target=_Run(arguments, variables, streams, prepare))
    process.start()
    return process


class _Run:
    """What the forked process calls."""

    def __init__(
        self,
        arguments: tuple[str, ...],
        variables: dict[str, str],
        streams: dict[int, int],
        prepare: Callable[[], object] | None,
    ) -> None:
        self._arguments = arguments
        self._variables = variables
        self._streams: dict[int, Any] = dict(streams)
        self._prepare = prepare

    @override
    def __getstate__(self) -> dict[str, Any]:
        """Descriptors are duplicated while the process starts, which is when this is pickled."""
        return {**vars(self), "_streams": {to: DupFd(fd) for to, fd in self._streams.items()}}

    def __call__(self) -> None:
        from server.cli.main import main

        os.setsid()
        os.chdir(ROOT)
        for to, stream in self._streams.items():
            fd = stream.detach()
            os.dup2(fd, to)
            os.close(fd)
        os.environ.clear()
        os.environ.update(self._variables)
        sys.argv = ["switchboard", *self._arguments]
        if self._prepare is not None:
            self._prepare()
        sys.exit(main())


class Serving:
    """`switchboard serve` with these settings, on a free port. It is killed when the block ends.

    The process calls `prepare` first.
    """

    def __init__(self, prepare: Callable[[], object] | None = None, /, **settings: str) -> None:
        reading, writing = os.pipe()
        self._stdout = os.fdopen(reading)
        try:
            self._process = start(
                ("serve",), environment(**{"PORT": "0", "LOG_REQUESTS": "off", **settings}), {1: writing}, prepare
            )
        finally:
            os.close(writing)
        self._url = ""

    @property
    def url(self) -> str:
        """The URL of its GraphQL endpoint. Waits until the server is ready."""
        while not self._url:
            line = self._stdout.readline()
            assert line, "the server ended instead of serving"
            if found := re.search(r"GraphQL +(http://127\.0\.0\.1:\d+/\S*)", line):
                self._url = found.group(1)
        return self._url

    def read_metrics_url(self) -> str:
        """The URL of /metrics, from the banner. Call it once; the settings need METRICS_PORT."""
        assert self.url
        while line := self._stdout.readline():
            if found := re.search(r"Metrics +(http://\S+)", line):
                return found.group(1)
        raise AssertionError("the banner has no address of metrics")

    @property
    def pid(self) -> int:
        pid: int = self._process.pid
        return pid

    def terminate(self) -> int:
        """Send SIGTERM, and return the exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Send SIGKILL."""
        if not self._stdout.closed:
            self._process.kill()
            self.wait()

    def wait(self) -> int:
        """Return the exit code when the process has ended."""
        with self._stdout:
            self._stdout.read()
        self._process.join()
        code: int = self._process.exitcode
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class ServerProcess(Serving):
    """`switchboard serve` over a running MongoDB, with ADMIN_TOKEN."""

    def __init__(
        self, uri: str, database: str, prepare: Callable[[], object] | None = None, /, **settings: str
    ) -> None:
        super().__init__(prepare, **{"MONGODB_URI": uri, "DATABASE": database, "ADMIN_TOKEN": ADMIN_TOKEN, **settings})
