"""Keeping the embedded mongod alive: it is started again when it ends by itself, for as long as that is of any use."""

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

#: How often it is looked at.
POLL_SECONDS = 0.1
#: Who ends so many times within so many seconds will not live, however often it is started.
MAX_RESTARTS = 5
RESTART_WINDOW_SECONDS = 60.0
#: From one start to the next, so that whatever ended it has a moment to pass.
RESTART_DELAY_SECONDS = 1.0


@contextmanager
def supervised(mongod: EmbeddedReplicaSet) -> Iterator[None]:
    """Start a mongod again that ends by itself in the block, on the same port and folder: it recovers from its journal.

    When that is of no use, the program is told to end by SIGTERM, and leaving the block raises DeploymentError.
    """
    watches = [NodeSupervisor(node) for node in mongod.nodes]
    try:
        yield
    finally:
        for watch in watches:
            watch.stop()
        for watch in watches:
            if watch.failure is not None:
                raise watch.failure


class NodeSupervisor:
    """A thread that looks after one mongod until it is stopped or gives up."""

    def __init__(self, node: Node) -> None:
        #: Why it gave up.
        self.failure: DeploymentError | None = None
        self._node = node
        self._stopped = threading.Event()
        self._ends: list[float] = []
        self._thread = threading.Thread(target=self._run, name="supervise the embedded mongod", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look after it no longer. The caller ends it."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while self.failure is None and not self._stopped.wait(POLL_SECONDS):
            if not self._node.folder.exists():
                self.failure = DeploymentError(
                    f"The data folder {self._node.folder} is gone: the embedded MongoDB ends, and its data with it. "
                    "Restore the folder from a backup, or start again to begin with an empty one."
                )
            elif not self._node.is_alive():
                self._restart()
        if self.failure is not None:
            os.kill(os.getpid(), signal.SIGTERM)

    def _restart(self) -> None:
        ending, moment = self._node.exit_cause(), time.monotonic()
        self._ends = [*(end for end in self._ends if moment - end < RESTART_WINDOW_SECONDS), moment]
        if len(self._ends) == MAX_RESTARTS:
            self.failure = DeploymentError(
                f"The embedded mongod ended {MAX_RESTARTS} times within {moment - self._ends[0]:.0f} s, now {ending}: "
                f"{log_errors(self._node.log_path)} (its log: {self._node.log_path})"
            )
            return
        logger.error("The embedded mongod ended %s; starting it again.", ending)
        if len(self._ends) > 1 and self._stopped.wait(max(0.0, self._ends[-2] + RESTART_DELAY_SECONDS - moment)):
            return
        try:
            self._node.launch(find_binary())
        except (DeploymentError, OSError) as error:
            self.failure = DeploymentError(f"The embedded mongod ended {ending} and cannot be started again: {error}")
