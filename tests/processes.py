"""Server processes and mongods, for tests that start real processes."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[1]
ADMIN_TOKEN = "the-admin-token-of-the-tests"


def mongods_on(folder: Path) -> list[int]:
    """The ids of the running mongods whose data is in this folder."""
    listing = subprocess.run(["ps", "-ww", "-e", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listing.splitlines() if f" --dbpath {folder}/" in line]


class ServerProcess:
    """`switchboard serve` over a running MongoDB, on a free port. It is killed when the block ends.

    `timeout_seconds` replaces the deadline of mutations.
    """

    def __init__(self, uri: str, database: str, timeout_seconds: float | None = None, /, **settings: str) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith("SWITCHBOARD_")}
        wanted = {"MONGODB_URI": uri, "DATABASE": database, "PORT": "0", "ADMIN_TOKEN": ADMIN_TOKEN, **settings}
        self._process = subprocess.Popen(
            [sys.executable, *self._command(timeout_seconds), "serve"],
            cwd=ROOT,
            env=own | {f"SWITCHBOARD_{name}": value for name, value in wanted.items()},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._url = ""

    @property
    def url(self) -> str:
        """The URL of its GraphQL endpoint. Waits until the server is ready."""
        assert self._process.stdout is not None
        while not self._url:
            line = self._process.stdout.readline()
            assert line, "the server ended instead of serving"
            if found := re.search(r"GraphQL +(http://127\.0\.0\.1:\d+/\S*)", line):
                self._url = found.group(1)
        return self._url

    @property
    def pid(self) -> int:
        return self._process.pid

    def terminate(self) -> int:
        """Send SIGTERM, and return the exit code."""
        self._process.terminate()
        self._process.communicate()
        return self._process.returncode

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()
        if self._process.returncode is None:
            self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _command(self, timeout_seconds: float | None) -> list[str]:
        """The arguments of Python."""
        if timeout_seconds is None:
            return ["-m", "server"]
        set_timeout = f"import storage.transactions.runner as r; r.TRANSACTION_TIMEOUT_SECONDS = {timeout_seconds}"
        return ["-c", f"import sys; {set_timeout}; from server.cli.main import main; sys.exit(main())"]
