"""The supervisor of the embedded mongod: restarts it if it exits, and gives up at the MAX_EXITS-th exit in a minute."""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from storage.embedded.node import Node, find_binary, log_errors
from storage.embedded.preflight import DeploymentError
from storage.embedded.replica_set import EmbeddedReplicaSet

logger = logging.getLogger(__name__)

#: Interval at which the process is checked.
POLL_SECONDS = 0.1
#: A mongod that exits this often within RESTART_WINDOW_SECONDS is not started again.
MAX_EXITS = 5
RESTART_WINDOW_SECONDS = 60.0
#: Least pause between two starts, so that a temporary cause can pass.
RESTART_DELAY_SECONDS = 1.0


@contextmanager
def supervised(mongod: EmbeddedReplicaSet, *, max_exits: int = MAX_EXITS) -> Iterator[None]:
    """Restart a mongod that exits within the block, on the same port and folder. It recovers from its journal.

    If restarts do not help, the supervisor sends SIGTERM to this program, and leaving the block raises DeploymentError.
    """
    supervisors = [NodeSupervisor(node, max_exits) for node in mongod.nodes]
    try:
        yield
    finally:
        for supervisor in supervisors:
            supervisor.stop()
        for supervisor in supervisors:
            if supervisor.failure is not None:
                raise supervisor.failure


class NodeSupervisor:
    """A thread that restarts one mongod until `stop` is called or a restart fails."""

    def __init__(self, node: Node, max_exits: int) -> None:
        #: Why the mongod is not started again; None while it runs.
        self.failure: DeploymentError | None = None
        self._node = node
        self._max_exits = max_exits
        self._stopped = threading.Event()
        self._exit_times: list[float] = []
        self._thread = threading.Thread(target=self._run, name="supervise the embedded mongod", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the supervision. The mongod continues to run; the caller ends it."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while self.failure is None and not self._stopped.wait(POLL_SECONDS):
            if not self._node.folder.exists():
                self.failure = DeploymentError(
                    f"The data folder {self._node.folder} was deleted, and the data of the embedded MongoDB with it. "
                    "Restore the folder from a backup, or start again with an empty one."
                )
            elif not self._node.is_alive():
                self._restart()
        if self.failure is not None:
            os.kill(os.getpid(), signal.SIGTERM)

    def _restart(self) -> None:
        cause, now = self._node.exit_cause(), time.monotonic()
        self._exit_times = [*(at for at in self._exit_times if now - at < RESTART_WINDOW_SECONDS), now]
        if len(self._exit_times) == self._max_exits:
            self.failure = DeploymentError(
                f"The embedded mongod ended {self._max_exits} times within {now - self._exit_times[0]:.0f} s, "
                f"now {cause}: "
                f"{log_errors(self._node.log_path)} (its log: {self._node.log_path})"
            )
            return
        logger.error("The embedded mongod ended %s; starting it again.", cause)
        if len(self._exit_times) > 1 and self._stopped.wait(
            max(0.0, self._exit_times[-2] + RESTART_DELAY_SECONDS - now)
        ):
            return
        try:
            self._node.launch(find_binary())
        except (DeploymentError, OSError) as error:
            self.failure = DeploymentError(f"The embedded mongod ended {cause} and cannot be started again: {error}")
