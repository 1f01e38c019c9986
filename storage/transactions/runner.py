"""Changes from the outside: attempts at a transaction, one after the other, until one is true or refused."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from pymongo.errors import PyMongoError

from storage.custom_fields.definition_cache import DefinitionCache
from storage.errors import SwitchboardError, Unavailable
from storage.facts import Fact, FieldFact
from storage.listeners import Listeners
from storage.log.outbox import Appender
from storage.mongo.connection import Database, is_transient, too_large
from storage.mongo.retries import Deadline
from storage.records import SYSTEM, Actor
from storage.supervisor import spawn
from storage.threads import Work
from storage.transactions.heartbeats import ProcessHeartbeat
from storage.transactions.keyed_locks import KeyedLocks, LockKey
from storage.transactions.transaction import AsyncCallback, ChangeState, Conflict, Transaction

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: How long a change may go on waiting for its turn, losing races and meeting failovers before its caller is told. A
#: failover of an ordinary replica set takes about twelve seconds.
TRANSACTION_TIMEOUT_SECONDS = 20.0
#: How long changes under way have to end when the process does; the database undoes those that do not make it.
DRAIN_SECONDS = 1.0
#: How long a caller waits for what its change did beside transactions to be undone, which goes on without it.
UNDO_SECONDS = 5.0
FIRST_RETRY_SECONDS = 0.002
#: Attempts at a change that the database finds too large for its cache, which may be full of others' changes.
TOO_LARGE_ATTEMPTS = 3
LONGEST_RETRY_SECONDS = 0.2


class TransactionRunner:
    """Runs changes, one attempt after the other, until one is true or refused."""

    def __init__(
        self, database: Database, catalog: DefinitionCache, appender: Appender, process: ProcessHeartbeat
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._appender = appender
        self._process = process
        self._running: set[asyncio.Task[Any]] = set()
        self.locks = KeyedLocks()
        #: Called with the facts of every transaction that this process committed, before they are in the log.
        self.listeners = Listeners[[Sequence[Fact]]]("a transaction committed")

    async def run(
        self,
        body: Callable[[Transaction], Awaitable[T]],
        *,
        actor: Actor = SYSTEM,
        client_mutation_id: str | None = None,
        lock_keys: Sequence[LockKey] = (),
        is_stale: Callable[[], Awaitable[bool]] | None = None,
    ) -> tuple[T, Sequence[Fact]]:
        """What `body` returned in the attempt that was committed, and the facts it told, which are in the log by then.

        `turns` names what the change is likely to write: changes of this process that name the same take turns, so
        that they need not lose against each other at the database. Raises whatever `body` raises, after undoing all of
        it, and Unavailable when others, or the database, took longer than a change may. `outdated` is asked about a
        refusal: if it is, the body runs again.

        A change that was begun is brought to its end even if the caller is cancelled: whoever asked for it may have
        gone away, but a commit under way can neither be called back nor be left without its facts.
        """
        deadline = Deadline[T](TRANSACTION_TIMEOUT_SECONDS)
        work = self._run(body, actor, client_mutation_id, lock_keys, deadline, is_stale)
        running = spawn(work, name="run a change", kind=Work.CHANGES)
        self._running.add(running)
        running.add_done_callback(self._task_done)
        return await deadline.wait_for_outcome(running)

    async def wait_for_running(self) -> None:
        """Return when all changes that were begun have come to their end, or have had DRAIN_SECONDS for it."""
        if self._running:
            await asyncio.wait(self._running, timeout=DRAIN_SECONDS)

    def _task_done(self, running: asyncio.Task[Any]) -> None:
        self._running.discard(running)
        if not running.cancelled():
            running.exception()  # whoever was cancelled will not ask for it

    async def _run(
        self,
        body: Callable[[Transaction], Awaitable[T]],
        actor: Actor,
        client_mutation_id: str | None,
        lock_keys: Sequence[LockKey],
        deadline: Deadline[T],
        is_stale: Callable[[], Awaitable[bool]] | None = None,
    ) -> tuple[T, Sequence[Fact]]:
        async with AsyncExitStack() as stack:
            for key in sorted(set(lock_keys)):
                await stack.enter_async_context(self.locks.lock(key, deadline=deadline.at))
            state = ChangeState(deadline, self._database.now())
            try:
                result, facts = await self._commit(body, state, actor, client_mutation_id, deadline, is_stale)
            except BaseException as error:
                await self._undo(state, wait=not (isinstance(error, Unavailable) and not error.data["retryable"]))
                raise
        await self._appender.append(facts)
        # What attempts did beside their transactions and was not committed is in the way of others.
        await self._undo(state, wait=True)
        if definitions := [fact for fact in facts if isinstance(fact, FieldFact)]:
            for fact in definitions:  # known here before the caller is answered, whenever the feed gets to it
                self._catalog.apply(fact)
            with contextlib.suppress(PyMongoError):
                await self._catalog.refresh()
        return result, facts

    async def _undo(self, state: ChangeState, *, wait: bool) -> None:
        """Undo what a change did beside its transactions, now that none of them was committed, or nobody knows.

        A step finds out itself whether the change is true after all.
        """
        if not state.undo_steps:
            return
        undoing = spawn(
            _run_until_done(list(state.undo_steps.values())),
            name="undo what a change did beside its transaction",
            kind=Work.CHANGES,
        )
        self._running.add(undoing)
        undoing.add_done_callback(self._task_done)
        if wait:
            await asyncio.wait({undoing}, timeout=UNDO_SECONDS)

    async def _commit(
        self,
        body: Callable[[Transaction], Awaitable[T]],
        state: ChangeState,
        actor: Actor,
        client_mutation_id: str | None,
        deadline: Deadline[T],
        is_stale: Callable[[], Awaitable[bool]] | None,
    ) -> tuple[T, Sequence[Fact]]:
        loop = asyncio.get_running_loop()
        pause = FIRST_RETRY_SECONDS
        attempt = 0
        while True:
            attempt += 1
            before_next: AsyncCallback | None = None
            if not self._database.has_primary:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(deadline.at):
                        await self._database.wait_for_primary()
            tx = Transaction(
                self._database,
                self._catalog,
                self.locks,
                self._process,
                state,
                actor=actor,
                client_mutation_id=client_mutation_id,
                attempt=attempt,
            )
            try:
                result = await body(tx)
                if deadline.abandoned:
                    raise Conflict
                await tx.commit()
                deadline.outcome = result, tx.facts
                self.listeners.notify(tx.facts)
                return deadline.outcome
            except Conflict as conflict:
                deadline.committing = False
                if loop.time() > deadline.at:
                    raise Unavailable("Too much is changing at once; try again.", retryable=True) from conflict
                before_next = conflict.before_retry
            except Unavailable:
                raise
            except SwitchboardError:
                deadline.committing = False
                if loop.time() > deadline.at:
                    raise
                # What refuses may be a rule that is no more.
                if await _true_if_unavailable(tx.used_outdated_definitions):
                    before_next = self._catalog.refresh
                elif is_stale is None or not await _true_if_unavailable(is_stale):
                    raise
            except PyMongoError as error:
                deadline.committing = False
                if not is_transient(error):
                    raise
                if attempt >= TOO_LARGE_ATTEMPTS and too_large(error):
                    raise Unavailable(
                        "The change is larger than the database can take in one transaction now; nothing was changed.",
                        retryable=True,
                    ) from error
                if loop.time() > deadline.at:
                    raise Unavailable(
                        "The database did not answer in time; nothing was changed.", retryable=True
                    ) from error
            finally:
                await tx.close()
            if before_next is not None:
                with contextlib.suppress(PyMongoError):  # the next attempt finds out what it needs to know
                    await before_next()
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads retries, hides nothing
            pause = min(pause * 2, LONGEST_RETRY_SECONDS)


async def _true_if_unavailable(ask: Callable[[], Awaitable[bool]]) -> bool:
    """What is answered; true, so that it is asked anew, when the database does not answer."""
    try:
        return await ask()
    except PyMongoError as error:
        if not is_transient(error):
            raise
        return True


async def _run_until_done(steps: Sequence[AsyncCallback]) -> None:
    """Take the steps one after the other, each again until the database answers."""
    for step in steps:
        while True:
            try:
                await step()
                break
            except PyMongoError as error:
                if not is_transient(error):
                    logger.exception("What a change did beside its transaction could not be undone.")
                    break
            await asyncio.sleep(LONGEST_RETRY_SECONDS)
