"""The embedded MongoDB: private mongod processes, one replica set, that live and end with the program using them.

One process of it is in node.py; what is asked of a MongoDB that somebody else runs is in preflight.py.
"""

import errno
import fcntl
import os
import signal
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from pymongo.errors import OperationFailure, PyMongoError

from storage.embedded.node import REPLICA_SET, Node, find_binary, owner_of, runs_on, wait_for
from storage.embedded.preflight import DeploymentError

NOT_YET_INITIALIZED = 94


class EmbeddedReplicaSet:
    """A replica set of its own under `folder`, on free ports of 127.0.0.1, for as long as the `with` block lasts.

    One program at a time: a second one on the same folder gets a DeploymentError. A mongod left over by a program that
    was killed is taken over, or ended when it does not answer. Several nodes are for tests of fail-over.
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
        """Start the processes, or take over those left behind; wait_until_ready() must follow, stop() must end it."""
        binary = find_binary()
        self._lock = lock_folder(self.folder)
        for node in self.nodes:
            node.launch(binary)

    def wait_until_ready(self) -> None:
        """Return when the replica set is configured as asked and has a primary that takes writes."""
        for node in self.nodes:
            node.wait_until_listening()
        members = [{"_id": index, "host": node.host} for index, node in enumerate(self.nodes)]
        try:
            configure(self.nodes, {"_id": REPLICA_SET, "members": members, "settings": self._settings})
        except PyMongoError as error:
            raise DeploymentError(f"The embedded replica set cannot be configured: {error}") from None
        wait_for(lambda: any(node.is_primary() for node in self.nodes), "no primary was elected", self.nodes)
        wait_for(lambda: all(node.is_in_sync() for node in self.nodes), "not all nodes take part", self.nodes)

    def stop(self) -> None:
        """End every mongod, cleanly as far as it lets itself be, and release the folder. May be called again."""
        for node in self.nodes:
            node.signal(signal.SIGTERM)
        for node in self.nodes:
            node.wait_until_exited()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def lock_folder(folder: Path) -> TextIO:
    """Hold the folder for this process until the returned file is closed; the kernel lets go when the process dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a+")
    except OSError as error:
        raise DeploymentError(f"The data folder {folder} cannot be written: {error.strerror}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        holder = lock.read().strip()
        lock.close()
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise DeploymentError(f"The data folder {folder} cannot be locked: {error.strerror}.") from None
        raise DeploymentError(
            f"The data folder {folder} is in use by another Switchboard (process {holder or 'unknown'}): "
            "stop that one, or set SWITCHBOARD_DATA_DIR to another folder."
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def configure(nodes: tuple[Node, ...], members: dict[str, Any]) -> None:
    """Found the replica set, or tell it the ports of today."""
    stored = [node_config(node) for node in nodes]
    if not any(stored):
        with nodes[0].client() as client:
            client.admin.command("replSetInitiate", members)
        return
    same = [
        config is not None
        and [member["host"] for member in config["members"]] == [member["host"] for member in members["members"]]
        and all(config["settings"][key] == value for key, value in members["settings"].items())
        for config in stored
    ]
    if all(same):
        return
    # No node finds itself under its old address, so none can become primary and only a forced change is possible. The
    # other nodes learn of it from the one that is told.
    node, config = max(
        ((node, config) for node, config in zip(nodes, stored, strict=True) if config is not None),
        key=lambda pair: pair[1]["version"],
    )
    settings = {**config["settings"], **members["settings"]}
    changed = {**config, "version": config["version"] + 1, "members": members["members"], "settings": settings}
    with node.client() as client:
        client.admin.command("replSetReconfig", changed, force=True)


def node_config(node: Node) -> dict[str, Any] | None:
    """The configuration this node has, or None when it was never part of a replica set."""
    with node.client() as client:
        try:
            config: dict[str, Any] = client.admin.command("replSetGetConfig")["config"]
        except OperationFailure as error:
            if error.code == NOT_YET_INITIALIZED:
                return None
            raise
        return config


def has_data(folder: Path) -> bool:
    """Whether a mongod has ever run on this folder."""
    return (folder.resolve() / "node-0" / "WiredTiger").exists()


def running_uri(folder: Path) -> str | None:
    """The URI of the one-node replica set that another program runs on this folder now, if there is one."""
    node = folder.resolve() / "node-0"
    pid = owner_of(node)
    port = runs_on(node, pid) if pid else None
    return None if port is None else f"mongodb://127.0.0.1:{port}/?replicaSet={REPLICA_SET}"
