"""Runs mutations: attempts at a transaction, one after the other, until one is committed or refused."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pymongo.errors import PyMongoError

from storage import tracing
from storage.errors import SwitchboardError, Unavailable
from storage.facts import Fact
from storage.listeners import Listeners
from storage.log.outbox import Appender
from storage.mongo.connection import Database, is_transient, too_large
from storage.mongo.deadlines import exceeded, time_limit
from storage.mongo.retries import with_retries
from storage.records import SYSTEM, Actor
from storage.supervisor import spawn
from storage.threads import Work
from storage.transactions.commit_groups import CommitGroups
from storage.transactions.conflicts import AsyncCallback, Conflict
from storage.transactions.deadline import COMMIT_GRACE_SECONDS, Deadline
from storage.transactions.heartbeats import ProcessHeartbeat
from storage.transactions.keyed_locks import KeyedLocks, LockKey
from storage.transactions.transaction import ChangeState, Transaction

if TYPE_CHECKING:
    from storage.custom_fields.definition_cache import DefinitionCache

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: How long running mutations may continue when the process stops. MongoDB aborts the transactions of the others.
DRAIN_SECONDS = 1.0
#: How long a caller waits for the undo steps of its mutation. They continue in the background after that.
UNDO_SECONDS = 5.0
FIRST_RETRY_SECONDS = 0.002
LONGEST_RETRY_SECONDS = 0.2
#: Attempts at a transaction that MongoDB finds too large for its cache, which other transactions may fill.
TOO_LARGE_ATTEMPTS = 3

CONFLICTS = "Too much is changing at once; try again."
NO_ANSWER = "The database did not answer in time; nothing was changed."
TOO_LARGE = "The change is larger than the database can take in one transaction now; nothing was changed."


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionRequest(Generic[T]):
    """What a caller asks the runner to do."""

    body: Callable[[Transaction], Awaitable[T]]
    actor: Actor = SYSTEM
    client_mutation_id: str | None = None
    #: Locks to take before the first attempt.
    lock_keys: Sequence[LockKey] = ()
    #: Whether the data by which `body` raised a refusal is outdated, so that `body` must run again.
    is_stale: Callable[[], Awaitable[bool]] | None = None


class TransactionRunner:
    """Runs the mutations of one process."""

    def __init__(
        self,
        database: Database,
        definition_cache: "DefinitionCache",
        appender: Appender,
        process: ProcessHeartbeat,
        *,
        commit_grace_seconds: float = COMMIT_GRACE_SECONDS,
    ) -> None:
        self._database = database
        self._definition_cache = definition_cache
        self._appender = appender
        self._process = process
        self._groups = CommitGroups(database, process, appender)
        self._running: set[asyncio.Task[Any]] = set()
        self.timeout_seconds = database.timings.transaction
        self.commit_grace_seconds = commit_grace_seconds
        self.locks = KeyedLocks()
        #: Called with the facts of every transaction that this process committed, before they are published.
        self.listeners = Listeners[[Sequence[Fact]]]("a transaction committed")
        #: Awaited with the facts of every committed mutation, after the facts are in the log and before the caller has
        #: its result.
        self.append_listeners: list[Callable[[Sequence[Fact]], Awaitable[None]]] = []

    async def run(
        self,
        body: Callable[[Transaction], Awaitable[T]],
        *,
        actor: Actor = SYSTEM,
        client_mutation_id: str | None = None,
        lock_keys: Sequence[LockKey] = (),
        is_stale: Callable[[], Awaitable[bool]] | None = None,
    ) -> tuple[T, Sequence[Fact]]:
        """Run `body` in a transaction, and return its result and its facts once the facts are in the log.

        `body` runs again after a conflict, after a transient error, and after a refusal for which `is_stale` is true.
        Mutations of this process with the same lock key run one after the other, which avoids conflicts at the
        database. Raises what `body` raises after undoing all of it, and Unavailable after `timeout_seconds`.

        The mutation continues if the caller is cancelled, because a commit that has begun cannot be cancelled and its
        facts must reach the log.
        """
        deadline = Deadline[T](self.timeout_seconds, commit_grace_seconds=self.commit_grace_seconds)
        request = TransactionRequest(
            body=body, actor=actor, client_mutation_id=client_mutation_id, lock_keys=lock_keys, is_stale=is_stale
        )
        work = tracing.continued(self.run_until(deadline, request))
        running = spawn(work, name="run a mutation", kind=Work.CHANGES)
        self._track(running)
        return await deadline.wait_for_outcome(running)

    async def wait_for_running(self) -> None:
        """Return when all running mutations have ended, or after DRAIN_SECONDS."""
        if self._running:
            await asyncio.wait(self._running, timeout=DRAIN_SECONDS)

    def _track(self, task: "asyncio.Task[Any]") -> None:
        self._running.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # a cancelled caller does not retrieve it

    async def run_until(self, deadline: Deadline[T], request: TransactionRequest[T]) -> tuple[T, Sequence[Fact]]:
        """Run the request in the current task, which the caller may cancel; `run` starts a task of its own."""
        async with AsyncExitStack() as stack:
            for key in sorted(set(request.lock_keys)):
                await stack.enter_async_context(self.locks.lock(key, deadline=deadline.at))
            state = ChangeState(deadline, self._database.now())
            try:
                result, facts = await self._run_attempts(request, state, deadline)
            except BaseException as error:
                await self._undo(state, wait=not (isinstance(error, Unavailable) and not error.data["retryable"]))
                raise
        if not state.appended:
            await self._appender.append(facts, state.encoded_facts)
        # Attempts that were not committed may have left something outside their transactions.
        await self._undo(state, wait=True)
        for listener in self.append_listeners:
            await listener(facts)
        return result, facts

    async def _undo(self, state: ChangeState, *, wait: bool) -> None:
        """Run the undo steps. Each step checks itself whether the mutation is committed."""
        if not state.undo_steps:
            return
        undoing = spawn(
            _run_steps(list(state.undo_steps.values())), name="undo writes outside of transactions", kind=Work.CHANGES
        )
        self._track(undoing)
        if wait:
            await asyncio.wait({undoing}, timeout=UNDO_SECONDS)

    async def _run_attempts(
        self, request: TransactionRequest[T], state: ChangeState, deadline: Deadline[T]
    ) -> tuple[T, Sequence[Fact]]:
        pause = FIRST_RETRY_SECONDS
        attempt = 0
        while deadline.outcome is None:
            attempt += 1
            await self._wait_for_primary(deadline)
            tx = Transaction(
                self._database,
                self._definition_cache,
                self.locks,
                self._process,
                self._groups,
                state,
                actor=request.actor,
                on_committed=self.listeners.notify,
                client_mutation_id=request.client_mutation_id,
                attempt=attempt,
            )
            try:
                before_retry = await self._attempt(tx, request, deadline)
            finally:
                await tx.close()
            if deadline.outcome is None:
                if before_retry is not None:
                    with contextlib.suppress(PyMongoError):  # the next attempt meets the same error
                        await before_retry()
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads retries, hides nothing
                pause = min(pause * 2, LONGEST_RETRY_SECONDS)
        return deadline.outcome

    async def _wait_for_primary(self, deadline: Deadline[T]) -> None:
        if not self._database.has_primary:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(deadline.at):
                    await self._database.wait_for_primary()

    async def _attempt(
        self, tx: Transaction, request: TransactionRequest[T], deadline: Deadline[T]
    ) -> AsyncCallback | None:
        """Run the body and commit, which sets the outcome of the deadline.

        Otherwise returns, with what to call before the next attempt, or raises if there must be none.
        """
        try:
            # MongoDB ends a read at the deadline of the mutation, when its caller has stopped waiting.
            with time_limit(deadline.at - asyncio.get_running_loop().time()):
                result = await request.body(tx)
            if deadline.abandoned:
                raise Conflict
            await tx.commit()
        except Conflict as conflict:
            deadline.committing = False
            _require_time(deadline, CONFLICTS, conflict)
            return conflict.before_retry
        except Unavailable:
            raise
        except SwitchboardError as refusal:
            deadline.committing = False
            return await self._before_retry_of_refusal(tx, request, deadline, refusal)
        except PyMongoError as error:
            deadline.committing = False
            if exceeded(error):
                raise Unavailable(NO_ANSWER, retryable=True) from error
            if not is_transient(error):
                raise
            if tx.attempt >= TOO_LARGE_ATTEMPTS and too_large(error):
                raise Unavailable(TOO_LARGE, retryable=True) from error
            _require_time(deadline, NO_ANSWER, error)
            return None
        deadline.outcome = result, tx.facts
        tx.acknowledge()
        return None

    async def _before_retry_of_refusal(
        self, tx: Transaction, request: TransactionRequest[T], deadline: Deadline[T], refusal: SwitchboardError
    ) -> AsyncCallback | None:
        """Raise the refusal, unless the attempt decided by outdated data. Returns what to call before the next attempt.

        An attempt counts as outdated when the database does not answer the question whether it is.
        """
        if asyncio.get_running_loop().time() > deadline.at:
            raise refusal
        if tx.uses_recent:
            return None
        for guard in tx.guards:
            if await _true_if_unavailable(guard.is_outdated):
                return guard.refresh
        if request.is_stale is None or not await _true_if_unavailable(request.is_stale):
            raise refusal
        return None


def _require_time(deadline: Deadline[Any], message: str, cause: Exception) -> None:
    """Raise Unavailable if the deadline has passed."""
    if asyncio.get_running_loop().time() > deadline.at:
        raise Unavailable(message, retryable=True) from cause


async def _true_if_unavailable(ask: Callable[[], Awaitable[bool]]) -> bool:
    """Return the answer, or True when the database does not answer."""
    try:
        return await ask()
    except PyMongoError as error:
        if not is_transient(error):
            raise
        return True


async def _run_steps(steps: Sequence[AsyncCallback]) -> None:
    """Run each step, and again after every transient error."""
    for step in steps:
        try:
            await with_retries(step, interval=LONGEST_RETRY_SECONDS)
        except PyMongoError:
            logger.exception("A write outside of a transaction could not be undone.")
