"""Background tasks. `Supervisor.supervise` starts those that run until the process ends, and `spawn` short ones.

The linter refuses `asyncio.create_task` elsewhere. Every background task that fails is therefore logged.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from pymongo.errors import PyMongoError

from storage.errors import DeploymentError, SwitchboardError
from storage.threads import Work, context_of

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: The pause before the first restart of a task that failed. It doubles with every failure in a row.
FIRST_PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 1.0
#: A task without `every` has recovered when it has run for so long. A periodic one has when it returns.
RECOVERED_SECONDS = 10.0
#: Repetitions of the same error of a task are logged once in so many seconds.
REPEAT_LOG_SECONDS = 60.0
#: A process is not ready when an essential task has been failing for so long.
NOT_READY_SECONDS = 5.0

#: A task that is still running so long after its cancellation is cancelled again.
CANCEL_AGAIN_SECONDS = 5.0

#: The most characters of an error in the log. Errors of the driver list all servers.
LONGEST_ERROR = 300

_running: set[asyncio.Task[Any]] = set()


def spawn(work: Coroutine[Any, Any, T], *, name: str, kind: Work | None = None) -> asyncio.Task[T]:
    """Start a task that ends by itself. asyncio logs its error unless the caller retrieves it.

    The event loop only keeps weak references to tasks; this function keeps a reference until the task ends. With
    `kind`, the task uses the threads for that class of work, and has no deadline; otherwise it has its creator's.
    """
    context = None if kind is None else context_of(kind)
    task = asyncio.create_task(work, name=name, context=context)  # noqa: TID251 - here and in supervise alone
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and wait until they have ended.

    A task can lose a cancellation: the code that it awaits may take it for its own, or finish at that moment. Such a
    task is cancelled again, so that a stop cannot wait for it for ever.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)


@dataclass(frozen=True, slots=True)
class Failure:
    """The state of a background task that is failing."""

    name: str
    #: Whether the process cannot serve correctly without it.
    essential: bool
    since: datetime
    #: Failures in a row.
    count: int
    #: The type of the last error. Only the log has its message, which may contain secrets.
    error: str
    seconds: float

    @property
    def prevents_serving(self) -> bool:
        return self.essential and self.seconds >= NOT_READY_SECONDS


class SupervisedTask:
    """One background task, which restarts after every error until it returns or is cancelled."""

    def __init__(self, name: str, run: Callable[[], Awaitable[object]], every: float | None, essential: bool) -> None:
        self.name = name
        self.essential = essential
        self._run = run
        self._every = every
        self._failures = 0
        self._pause = FIRST_PAUSE_SECONDS
        self._error: Exception | None = None
        self._failing_since = 0.0
        self._since = datetime.now(UTC)
        self._started = 0.0
        self._waiting = False
        self._logged: tuple[str, float] | None = None

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            self._started = clock()
            try:
                await self._run()
            except asyncio.CancelledError as error:
                current = asyncio.current_task()
                if current is None or current.cancelling():
                    raise
                # An awaited future was cancelled, and not this task.
                self._failed(RuntimeError(f"cancelled from inside: {error}"))
            except Exception as error:
                self._failed(error)
            else:
                self._recovered()
                if self._every is None:
                    return
                await asyncio.sleep(self._every)
                continue
            self._waiting = True
            await asyncio.sleep(max(self._pause, self._every or 0.0))
            self._waiting = False
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)

    def failure(self) -> Failure | None:
        """The failure of the task, or None while it runs."""
        if self._runs_again():
            self._recovered()
        if self._error is None:
            return None
        return Failure(
            self.name,
            self.essential,
            self._since,
            self._failures,
            type(self._error).__name__,
            asyncio.get_running_loop().time() - self._failing_since,
        )

    def _runs_again(self) -> bool:
        """Whether a task that is not periodic has recovered since its last failure."""
        if self._error is None or self._waiting or self._every is not None:
            return False
        return self._seconds() > RECOVERED_SECONDS

    def _seconds(self) -> float:
        return asyncio.get_running_loop().time() - self._started

    def _failed(self, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        if self._runs_again():
            self._recovered()
        if self._seconds() > 2 * LONGEST_PAUSE_SECONDS:
            self._pause = FIRST_PAUSE_SECONDS
        if self._error is None:
            self._failing_since, self._since = now, datetime.now(UTC)
        self._failures += 1
        self._error = error
        kind = f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
        if self._logged is not None and self._logged[0] == kind and now - self._logged[1] < REPEAT_LOG_SECONDS:
            return
        self._logged = kind, now
        expected = isinstance(error, PyMongoError | SwitchboardError | DeploymentError)  # no defect of this program
        logger.log(
            logging.WARNING if expected else logging.ERROR,
            "The background task %r failed (%d in a row) and starts again: %s",
            self.name,
            self._failures,
            kind,
            exc_info=None if expected else error,
        )

    def _recovered(self) -> None:
        if self._error is not None:
            logger.info("The background task %r runs again after %d failures.", self.name, self._failures)
        self._error, self._failures, self._pause = None, 0, FIRST_PAUSE_SECONDS


class Supervisor:
    """The background tasks of one process."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], SupervisedTask] = {}
        self._spawned: set[asyncio.Task[Any]] = set()

    def supervise(
        self, name: str, run: Callable[[], Awaitable[object]], *, every: float | None = None, essential: bool = False
    ) -> asyncio.Task[None]:
        """Call `run` until it returns, and again after every error. With `every`, call it so many seconds
        after it returns.

        Errors are logged, and the pause before the restart doubles with each error in a row. /health/ready shows the
        tasks that are failing, and the process is not ready while an `essential` one is. Cancel the returned task, or
        call `stop`, to end it.
        """
        supervised = SupervisedTask(name, run, every, essential)
        context = context_of(Work.BACKGROUND)
        task = asyncio.create_task(supervised.run(), name=name, context=context)  # noqa: TID251 - here and in spawn alone
        self._tasks[task] = supervised
        task.add_done_callback(self._tasks.pop)
        return task

    def spawn(self, work: Coroutine[Any, Any, T], *, name: str, kind: Work | None = None) -> asyncio.Task[T]:
        """Start a task as the function `spawn` does. `stop` cancels it, if it has not ended by then."""
        task = spawn(work, name=name, kind=kind)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
        return task

    def tasks(self) -> list[tuple[str, int]]:
        """The name of each task, and how often it failed in a row."""
        return [(one.name, 0 if (failure := one.failure()) is None else failure.count) for one in self._tasks.values()]

    def failures(self) -> list[Failure]:
        """The failures of all tasks that are failing."""
        return [failure for one in self._tasks.values() if (failure := one.failure()) is not None]

    async def stop(self) -> None:
        """Cancel all tasks and wait until they have ended."""
        await end([*self._tasks, *self._spawned])
