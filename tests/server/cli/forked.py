"""A command in a forked process, with the interface of subprocess.Popen that tests use, and the banner of servers."""

import os
import re
import signal
import subprocess
import tempfile

from tests.processes import environment, start


class Forked:
    """`switchboard` with this command and these settings. The caller calls `close` at the end."""

    def __init__(self, command: str, **settings: str) -> None:
        reading, writing = os.pipe()
        self.stdout = os.fdopen(reading)
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 - `close` closes it
        try:
            streams = {1: writing, 2: self._stderr.fileno()}
            self._process = start((command,), environment(**settings), streams)
        finally:
            os.close(writing)
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        code: int | None = self._process.exitcode
        return code

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Return the exit code when the process has ended."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("switchboard", timeout)
        return self.returncode

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Return the rest of the output, and the errors, when the process has ended."""
        self.wait(timeout)
        self._stderr.seek(0)
        return self.stdout.read(), self._stderr.read()

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """Kill the process if it runs."""
        self._process.kill()
        self._process.join()
        self.stdout.close()
        self._stderr.close()


def wait_until_ready(server: subprocess.Popen[str] | Forked) -> str:
    """The output of the server up to the last line of its banner."""
    assert server.stdout is not None
    printed = ""
    for line in server.stdout:
        printed += line
        if line.startswith("Ctrl-C"):
            return printed
    raise AssertionError(f"It ended instead: {printed}{server.communicate(timeout=90)[1]}")


def url_in(printed: str) -> str:
    found = re.search(r"GraphQL +(http://\S+)", printed)
    assert found is not None
    return found.group(1)
