"""The embedded MongoDB: a replica set of mongod processes that starts and stops with the program that uses it.

One process is in node.py. The checks of an external MongoDB are in preflight.py.
"""

import errno
import fcntl
import os
import signal
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

from storage.embedded.node import REPLICA_SET, Node, find_binary, owner_of, runs_on, wait_for
from storage.embedded.preflight import DeploymentError

NOT_YET_INITIALIZED = 94
ALREADY_INITIALIZED = 23
#: Time-out of commands that configure the replica set. They wait for the disk: the first one creates the oplog.
CONFIGURE_MS = 60_000


class EmbeddedReplicaSet:
    """A replica set with its data under `folder`, on free ports of 127.0.0.1, which runs during the `with` block.

    One program can use a folder at a time; a second one gets a DeploymentError. If an earlier program was killed and
    its mongod still runs, it is adopted, or stopped if it does not answer. Several nodes are for tests of failovers.
    """

    def __init__(
        self,
        folder: Path,
        *,
        nodes: int = 1,
        cache_gb: float = 0.5,
        oplog_mb: int = 512,
        election_timeout_ms: int = 10_000,
        heartbeat_ms: int = 2_000,
    ) -> None:
        self.folder = folder.resolve()
        self.nodes = tuple(Node(self.folder / f"node-{index}", cache_gb, oplog_mb) for index in range(nodes))
        self._settings = {"electionTimeoutMillis": election_timeout_ms, "heartbeatIntervalMillis": heartbeat_ms}
        self._lock: TextIO | None = None

    @property
    def uri(self) -> str:
        hosts = ",".join(node.host for node in self.nodes)
        return f"mongodb://{hosts}/?replicaSet={REPLICA_SET}"

    def __enter__(self) -> Self:
        try:
            self.launch()
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def launch(self) -> None:
        """Start the processes, or adopt running ones. Call wait_until_ready() next, and stop() at the end."""
        binary = find_binary()
        self._lock = lock_folder(self.folder)
        for node in self.nodes:
            node.launch(binary)

    def wait_until_ready(self) -> None:
        """Configure the replica set, and wait until it has a primary and all nodes are in sync."""
        wait_for(self._configure, "its replica set could not be configured", self.nodes)
        wait_for(lambda: any(node.is_primary() for node in self.nodes), "no primary was elected", self.nodes)
        wait_for(lambda: all(node.is_in_sync() for node in self.nodes), "not all nodes are in sync", self.nodes)

    def _configure(self) -> bool:
        """Configure the replica set.

        Returns False if a node closed the connection, as one that starts again does, or has not read its configuration
        from its data yet: it says then that it has none.
        """
        for node in self.nodes:
            node.wait_until_listening()
        members = [{"_id": index, "host": node.host} for index, node in enumerate(self.nodes)]
        try:
            configure(self.nodes, {"_id": REPLICA_SET, "members": members, "settings": self._settings})
        except AutoReconnect:
            return False
        except PyMongoError as error:
            if isinstance(error, OperationFailure) and error.code == ALREADY_INITIALIZED:
                return False
            raise DeploymentError(f"The embedded replica set cannot be configured: {error}") from None
        return True

    def stop(self) -> None:
        """Stop every mongod, by SIGKILL if SIGTERM does not work, and unlock the folder. Can be called twice."""
        for node in self.nodes:
            node.signal(signal.SIGTERM)
        for node in self.nodes:
            node.wait_until_exited()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def lock_folder(folder: Path) -> TextIO:
    """Lock the folder until the returned file is closed. The kernel unlocks it when the process ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a+")
    except OSError as error:
        raise DeploymentError(f"The data folder {folder} cannot be written: {error.strerror}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        owner_pid = lock.read().strip()
        lock.close()
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise DeploymentError(f"The data folder {folder} cannot be locked: {error.strerror}.") from None
        raise DeploymentError(
            f"The data folder {folder} is in use by another Switchboard (process {owner_pid or 'unknown'}): "
            "stop that one, or set SWITCHBOARD_DATA_DIR to another folder."
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def configure(nodes: tuple[Node, ...], wanted: dict[str, Any]) -> None:
    """Initiate the replica set, or reconfigure it if a port or setting changed."""
    stored = [node_config(node) for node in nodes]
    if not any(stored):
        with nodes[0].client(CONFIGURE_MS) as client:
            client.admin.command("replSetInitiate", wanted)
        return
    is_current = [
        config is not None
        and [member["host"] for member in config["members"]] == [member["host"] for member in wanted["members"]]
        and all(config["settings"][key] == value for key, value in wanted["settings"].items())
        for config in stored
    ]
    if all(is_current):
        return
    # No node has its old address, so none can become primary, and only a forced reconfiguration is possible. The other
    # nodes get it from the node that runs the command.
    node, config = max(
        ((node, config) for node, config in zip(nodes, stored, strict=True) if config is not None),
        key=lambda pair: pair[1]["version"],
    )
    settings = {**config["settings"], **wanted["settings"]}
    changed = {**config, "version": config["version"] + 1, "members": wanted["members"], "settings": settings}
    with node.client(CONFIGURE_MS) as client:
        client.admin.command("replSetReconfig", changed, force=True)


def node_config(node: Node) -> dict[str, Any] | None:
    """Return the replica set configuration of this node, or None if it has none."""
    with node.client(CONFIGURE_MS) as client:
        try:
            config: dict[str, Any] = client.admin.command("replSetGetConfig")["config"]
        except OperationFailure as error:
            if error.code == NOT_YET_INITIALIZED:
                return None
            raise
        return config


def has_data(folder: Path) -> bool:
    """Return whether a mongod has run on this folder before."""
    return (folder.resolve() / "node-0" / "WiredTiger").exists()


def running_uri(folder: Path) -> str | None:
    """Return the URI of the one-node replica set that another program runs on this folder; None if none runs."""
    node = folder.resolve() / "node-0"
    pid = owner_of(node)
    port = runs_on(node, pid) if pid else None
    return None if port is None else f"mongodb://127.0.0.1:{port}/?replicaSet={REPLICA_SET}"
