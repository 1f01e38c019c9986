"""What runs on this machine: for tests that start real processes."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[1]
ADMIN_TOKEN = "the-admin-token-of-the-tests"


def mongods_on(folder: Path) -> list[int]:
    """The running processes that name this folder, from the kernel's own list."""
    listing = subprocess.run(["ps", "-ww", "-e", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listing.splitlines() if f" --dbpath {folder}/" in line]


class ServerProcess:
    """`switchboard serve` over a MongoDB that runs already, on a free port. Killed when the block is left.

    With a patience, changes are given up that much sooner than they are for anybody else.
    """

    def __init__(self, uri: str, database: str, patience_seconds: float | None = None, /, **settings: str) -> None:
        own = {name: value for name, value in os.environ.items() if not name.startswith("SWITCHBOARD_")}
        wanted = {"MONGODB_URI": uri, "DATABASE": database, "PORT": "0", "ADMIN_TOKEN": ADMIN_TOKEN, **settings}
        self._process = subprocess.Popen(
            [sys.executable, *self._command(patience_seconds), "serve"],
            cwd=ROOT,
            env=own | {f"SWITCHBOARD_{name}": value for name, value in wanted.items()},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._url = ""

    @property
    def url(self) -> str:
        """Where it answers GraphQL, known as soon as it does."""
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
        """End it as an operator does, and its exit code."""
        self._process.terminate()
        self._process.communicate()
        return self._process.returncode

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self._process.kill()
        if self._process.returncode is None:
            self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _command(self, patience_seconds: float | None) -> list[str]:
        """What Python runs."""
        if patience_seconds is None:
            return ["-m", "server"]
        impatient = f"import storage.changes as t; t.PATIENCE_SECONDS = {patience_seconds}"
        return ["-c", f"import sys; {impatient}; from server.cli import main; sys.exit(main())"]
