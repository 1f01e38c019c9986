"""The threads of driver calls: one pool for each class of work, so that no class can occupy another's threads.

Motor runs every driver call on one thread pool of the process. This module replaces it by an executor that reads the
class of work from the caller's context. A task inherits the context of its creator. Create a task that works for other
callers too in the context that `context_of` returns.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import Context, ContextVar
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar, cast

from motor.frameworks import asyncio as motor_asyncio
from motor.frameworks.asyncio import run_on_executor
from typing_extensions import override

T = TypeVar("T")


class Work(StrEnum):
    """A class of driver calls."""

    #: Heartbeats, leases, change streams, the log: other processes consider this one dead without them.
    BACKGROUND = "background"
    CHANGES = "changes"
    READS = "reads"
    #: Reads that no index answers (mongo/scans.py).
    SCANS = "scans"


#: Concurrent scans. A scan occupies a core of the database server.
SCAN_THREADS = 2
THREADS = {Work.BACKGROUND: 14, Work.CHANGES: 12, Work.READS: 12, Work.SCANS: SCAN_THREADS}
#: The connections that are used without a thread (mongo/direct_commands.py). They stay checked out of the driver's
#: pool.
DIRECT_CONNECTIONS = {Work.READS: 12, Work.CHANGES: 8, Work.BACKGROUND: 4}
#: The connections of a process if all are in use: one for each thread, and the direct ones.
MOST_CONNECTIONS = sum(THREADS.values()) + sum(DIRECT_CONNECTIONS.values())

work: ContextVar[Work] = ContextVar("work", default=Work.READS)


def context_of(kind: Work) -> Context:
    """A context for tasks of this class of work. It has nothing of the caller's context, such as its time limit."""
    context = Context()
    context.run(work.set, kind)
    return context


class ThreadUsage(NamedTuple):
    """The use of one pool."""

    started: int
    limit: int
    #: Calls that wait for a thread.
    waiting: int


class WorkThreads(Executor):
    """Runs each call on the pool of the class of work in its context."""

    def __init__(self) -> None:
        self._pools = {
            kind: ThreadPoolExecutor(size, thread_name_prefix=f"mongodb {kind}") for kind, size in THREADS.items()
        }

    @override
    def submit(self, call: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        return self._pools[work.get()].submit(call, *args, **kwargs)

    def usage(self) -> dict[Work, ThreadUsage]:
        """The threads that each pool has started, and the calls that wait for one."""
        return {
            kind: ThreadUsage(len(pool._threads), THREADS[kind], pool._work_queue.qsize())
            for kind, pool in self._pools.items()
        }

    @override
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        for pool in self._pools.values():
            pool.shutdown(wait, cancel_futures=cancel_futures)


async def run(call: Callable[[], T]) -> T:
    """Run a blocking call on a thread for the class of work in the caller's context, and return its result."""
    result: T = await run_on_executor(asyncio.get_running_loop(), call)  # type: ignore[no-untyped-call] # has no types
    return result


def install() -> None:
    """Make Motor use these pools in this process."""
    motor_asyncio._EXECUTOR = WorkThreads()  # type: ignore[assignment] # the stubs type it wrongly: it is an executor


def usage() -> dict[Work, ThreadUsage]:
    """The use of the pools of this process."""
    return cast(WorkThreads, motor_asyncio._EXECUTOR).usage()


install()
# Registered after Motor's own hook, which creates its default pool in a fork.
os.register_at_fork(after_in_child=install)
