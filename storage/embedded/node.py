"""One mongod process of the embedded MongoDB: finds its program, starts, adopts and stops it."""

import contextlib
import errno
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from storage.embedded.preflight import DeploymentError

REPLICA_SET = "switchboard"
START_SECONDS = 60.0
#: A mongod that still runs this long after SIGTERM is killed. It recovers from its journal at the next start.
SHUTDOWN_TIMEOUT_SECONDS = 20.0
POLL_SECONDS = 0.005
MAX_LAUNCHES = 20
#: Time-out of commands. A mongod of an earlier program that does not answer in time is stopped.
ANSWER_MS = 2_000

EXIT_ADDRESS_IN_USE = 48
EXIT_DATA_IN_USE = 100
#: The message of the operating system for ENOSPC, which mongod writes to its log.
DISK_FULL = os.strerror(errno.ENOSPC)

#: Absent on macOS.
PROC_FOLDER = Path("/proc")

BINARY_NOT_FOUND = (
    "There is no mongod on this machine. Install the wheel of Switchboard with its extra, as  pipx install --force "
    "'./WHEEL[mongod]',  or put a mongod on the PATH, or set SWITCHBOARD_MONGODB_URI to a running replica set."
)


class Node:
    """One mongod and its data folder. `pid` and `port` are 0 while no process runs."""

    def __init__(self, folder: Path, cache_gb: float, oplog_mb: int) -> None:
        self.folder = folder
        self.log_path = folder.with_suffix(".log")
        self.pid = 0
        self.port = 0
        self._cache_gb = cache_gb
        self._oplog_mb = oplog_mb
        self._process: subprocess.Popen[bytes] | None = None
        self._relaunches = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def launch(self, binary: Path) -> None:
        if self._adopt():
            return
        self.port = self.port or free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.log_path.exists():
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        command = [
            *(str(binary), "--dbpath", str(self.folder), "--port", str(self.port)),
            *("--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet", "--replSet", REPLICA_SET),
            *("--wiredTigerCacheSizeGB", str(self._cache_gb), "--oplogSize", str(self._oplog_mb)),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # Without this, a mongod waits 15 s after SIGTERM for clients to choose another node.
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
        ]
        with self.log_path.open("wb") as log:
            # In a session of its own, mongod does not get the SIGINT of Ctrl-C. The server stops it.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.pid = self._process.pid

    def wait_until_listening(self) -> None:
        def listening() -> bool:
            self._relaunch_after_conflict()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
            return False

        wait_for(listening, "it does not accept connections", (self,))

    def is_primary(self) -> bool:
        return bool(self._hello().get("isWritablePrimary"))

    def is_in_sync(self) -> bool:
        """Return whether the node is primary or secondary."""
        hello = self._hello()
        return bool(hello.get("isWritablePrimary") or hello.get("secondary"))

    def require_running(self) -> None:
        """Raise DeploymentError if the process exited."""
        if not self.is_alive():
            raise DeploymentError(
                f"The embedded mongod ended {self.exit_cause()}: {log_errors(self.log_path)} (its log: {self.log_path})"
            )

    def is_alive(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        return bool(self.pid) and runs_on(self.folder, self.pid) is not None

    def exit_cause(self) -> str:
        """Describe how the process exited. The exit code of an adopted process is not available."""
        code = 0 if self._process is None else self._process.poll() or 0
        return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}" if code else "by itself"

    @contextlib.contextmanager
    def client(self, answer_ms: int = ANSWER_MS) -> Iterator[MongoClient[dict[str, Any]]]:
        """A connection to this node alone, whatever its state in the replica set. `answer_ms` is its time-out."""
        client: MongoClient[dict[str, Any]] = MongoClient(
            "127.0.0.1",
            self.port,
            directConnection=True,
            serverSelectionTimeoutMS=answer_ms,
            connectTimeoutMS=answer_ms,
            socketTimeoutMS=answer_ms,
        )
        with client:
            yield client

    def signal(self, number: signal.Signals) -> None:
        if self.pid and self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait_until_exited(self) -> None:
        """Wait for the process to exit after SIGTERM. Kill it after SHUTDOWN_TIMEOUT_SECONDS."""
        until = time.monotonic() + SHUTDOWN_TIMEOUT_SECONDS
        while self.is_alive():
            if time.monotonic() > until:
                self.signal(signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        self.pid = 0
        self._process = None

    def _hello(self) -> dict[str, Any]:
        self.require_running()
        with contextlib.suppress(PyMongoError), self.client() as client:
            answer: dict[str, Any] = client.admin.command("hello")
            return answer
        return {}

    def _adopt(self) -> bool:
        """Adopt a mongod of an earlier program on this folder, and return whether there is one. Stop one that hangs."""
        pid = owner_of(self.folder)
        port = runs_on(self.folder, pid) if pid else None
        if port is None:
            return False
        self.pid, self.port = pid, port
        with contextlib.suppress(PyMongoError, KeyError), self.client() as client:
            options = client.admin.command("getCmdLineOpts")["parsed"]
            if options["storage"]["dbPath"] == str(self.folder) and options["replication"]["replSet"] == REPLICA_SET:
                return True
        self.signal(signal.SIGTERM)
        self.wait_until_exited()
        self.port = 0
        return False

    def _relaunch_after_conflict(self) -> None:
        """Launch again if another program took the port, or another mongod the folder, since the first launch."""
        code = None if self._process is None else self._process.poll()
        if code in (EXIT_ADDRESS_IN_USE, EXIT_DATA_IN_USE) and self._relaunches < MAX_LAUNCHES:
            self._relaunches += 1
            self._process, self.pid, self.port = None, 0, 0
            self.launch(find_binary())
        self.require_running()


def find_binary() -> Path:
    """Return the mongod on the PATH, or else the one that the `mongod` extra installs."""
    on_path = shutil.which("mongod")
    if on_path is not None:
        return Path(on_path)
    # The package is located without importing it: another distribution of the same name imports many others.
    spec = importlib.util.find_spec("fiftyone")
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        binary = Path(location) / "db" / "bin" / "mongod"
        if binary.is_file():
            if not os.access(binary, os.X_OK):
                binary.chmod(0o755)
            return binary
    raise DeploymentError(BINARY_NOT_FOUND)


def owner_of(folder: Path) -> int:
    """Return the process id in mongod.lock, or 0 if mongod shut down cleanly. The process may no longer run."""
    try:
        text = (folder / "mongod.lock").read_text()
    except OSError:
        return 0
    return int(text) if text.strip().isdecimal() else 0


def runs_on(folder: Path, pid: int) -> int | None:
    """Return the port of process `pid` if it is an embedded mongod on this folder, else None.

    The operating system reuses process ids, so the arguments of the process are checked.
    """
    arguments = command_line(pid)
    if f"--dbpath {folder} " not in arguments or f"--replSet {REPLICA_SET} " not in arguments:
        return None
    port = re.search(r" --port (\d+) ", arguments)
    return int(port.group(1)) if port else None


def command_line(pid: int) -> str:
    """Return the arguments of a process, separated by spaces; empty if it exited."""
    if (PROC_FOLDER / "self").exists():
        try:
            return (PROC_FOLDER / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    command = ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], bool], timeout_message: str, nodes: tuple[Node, ...]) -> None:
    until = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > until:
            raise DeploymentError(
                f"The embedded mongod did not start within {START_SECONDS:.0f} s: {timeout_message} "
                f"(its log: {nodes[0].log_path})"
            )
        time.sleep(POLL_SECONDS)


def log_errors(log_path: Path) -> str:
    """Return the last error in the log of a mongod. The log has one JSON object per line."""
    try:
        text = log_path.read_text(errors="replace")
    except OSError:
        return "its log was deleted"
    if DISK_FULL in text:
        return f"the disk of {log_path.parent} is full. Free space there, and start again"
    lines = text.splitlines()
    for line in reversed(lines):
        if re.search(r'"s":"[EF]"', line):
            message = re.search(r'"msg":"([^"]*)"', line)
            reason = re.search(r'"error":"([^"]*)"', line)
            return ": ".join(match.group(1) for match in (message, reason) if match)
        if not line.startswith("{"):
            return line
    return "its log has no error"
