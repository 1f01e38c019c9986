"""Writes and commits one transaction, with the facts of its changes.

docs/decisions/0043-one-majority-for-a-commit-and-its-facts.md says why a majority acknowledges both together.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo import WriteConcern
from pymongo.client_session_shared import _TxnState
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from storage import threads
from storage.log.outbox import Appender
from storage.log.reservations import Reservation
from storage.mongo import direct_writes, pipelines, sessions
from storage.mongo.connection import Database, is_session_killed
from storage.mongo.journal_flushes import FlushedWhileWaiting
from storage.mongo.retries import with_retries
from storage.transactions.conflicts import Conflict
from storage.transactions.deadline import outcome_unknown
from storage.transactions.heartbeats import ProcessHeartbeat
from storage.transactions.plans import Plan
from storage.transactions.writes import (
    PreparedChange,
    RefusedChanges,
    Write,
    abort,
    begin_commit,
    end_commit,
    insertion,
)

COMMIT_RETRY_SECONDS = 0.002
#: About the bytes of a document of the log without its fact.
LOG_FIELD_BYTES = 60
_SNAPSHOT = ReadConcern("snapshot")
_MAJORITY = WriteConcern(w="majority")


async def begin(database: Database, process: ProcessHeartbeat) -> AsyncIOMotorClientSession:
    """Begin a transaction in a session of its own."""
    # Starting and ending a session sends nothing to the database, so neither needs a thread.
    session = AsyncIOMotorClientSession(database.client.delegate.start_session(), database.client)
    await process.register_session(session)
    session.start_transaction(read_concern=_SNAPSHOT, write_concern=_MAJORITY)
    return session


async def write_and_commit(
    session: AsyncIOMotorClientSession,
    database: Database,
    changes: Sequence[PreparedChange],
    appender: Appender,
    on_written: Callable[[], None] = lambda: None,
    *,
    is_new: bool = True,
    may_append: bool = False,
) -> bool:
    """Write and commit the changes in the session's transaction, which is aborted if that fails.

    `is_new`: nothing was sent in the transaction yet. If something was, the conditions are read in the transaction: it
    sees the database as of the time at which it began.

    `may_append`: whether the transaction may insert the facts into the log itself, if the appender reserves numbers.
    Everything else that this process appends waits meanwhile.

    `on_written` is called before a wait for a majority: when the primary has committed them, or when they are written
    and the commit itself waits. Returns whether their facts are in the log, too. An unknown result of a commit is
    followed by another commit of the same transaction, which commits it once.
    """
    if (
        may_append
        and database.direct_commands.is_enabled
        and await _commit_with_facts(session, database, changes, appender)
    ):
        return True
    plan = Plan(changes)
    written = False
    try:
        written = is_new and plan.is_one_message and await _write_directly(session, database, plan)
        if written:
            begin_commit(changes)
    except BaseException as error:
        await _abort(session, database, error)
        raise
    if written and any(change.facts for change in changes):
        if await _commit_and_append(session, database, changes, appender, on_written):
            return True
    elif written:
        on_written()
        if await _commit_directly(session, database):
            return False
    await _commit_on_thread(session, database, changes, None if written else plan, on_written)
    return False


async def _commit_with_facts(
    session: AsyncIOMotorClientSession, database: Database, changes: Sequence[PreparedChange], appender: Appender
) -> bool:
    """Commit the changes in a transaction that inserts their facts into the log. Returns False if nothing was sent."""
    facts = [fact for change in changes for fact in change.facts]
    reservation = appender.reserve(facts, [raw for change in changes for raw in change.encoded_facts])
    if reservation is None:
        return False
    try:
        plan = Plan(changes, _log_writes(database, changes, reservation))
        if not plan.is_one_message or not await _write_directly(session, database, plan):
            reservation.release()
            return False
        begin_commit(changes)
        with FlushedWhileWaiting(database, appender.has_commits):
            committed = await _commit_directly(session, database)
        if not committed:
            await _commit_on_thread(session, database, changes, None)
    except BaseException as error:
        is_aborted = False
        try:
            is_aborted = await _abort(session, database, error)
        finally:
            reservation.give_up(None if is_aborted else sessions.abandon(session.delegate))
        raise
    try:
        for change in changes:
            change.acknowledge()
    finally:
        reservation.appended()
    return True


def _log_writes(database: Database, changes: Sequence[PreparedChange], reservation: Reservation) -> list[list[Write]]:
    """For each change, the writes that insert its facts into the log. They conflict if another process was faster."""
    log, documents = database["log"].delegate, iter(reservation.documents)
    return [
        [
            insertion(log, next(documents), refusal=lambda _: Conflict(), size=LOG_FIELD_BYTES + len(raw.raw))
            for raw in change.encoded_facts
        ]
        for change in changes
    ]


async def _abort(session: AsyncIOMotorClientSession, database: Database, error: BaseException) -> bool:
    """Abort the transaction, which has failed with that error. Returns whether it is known to be aborted."""
    if session.delegate._transaction.state is _TxnState.IN_PROGRESS:
        was_answered = isinstance(error, RefusedChanges | OperationFailure)
        connections, client = database.direct_commands, database.client.delegate
        if await direct_writes.abort(connections, client, session.delegate, was_answered=was_answered):
            return True
    await threads.run(partial(abort, session.delegate))
    return False


async def _write_directly(session: AsyncIOMotorClientSession, database: Database, plan: Plan) -> bool:
    """Execute the plan on the event loop. Returns False if nothing was sent. Raises what `Plan.settle` raises."""
    connections, client, name = database.direct_commands, database.client.delegate, database.raw.name
    replies: list[pipelines.Reply] | None
    condition: pipelines.Reply | None = None
    if plan.conditions:
        answered = await direct_writes.run_with_condition(
            connections, client, name, plan.commands(), plan.conditions.command(), session=session.delegate
        )
        replies, condition = answered or (None, None)
    else:
        replies = await direct_writes.run(connections, client, name, plan.commands(), session=session.delegate)
    if replies is None:
        return False
    if plan.is_plain_success(replies):
        plan.settle(session.delegate, replies, condition)
    else:
        await threads.run(partial(plan.settle, session.delegate, replies, condition))
    return True


async def _commit_directly(session: AsyncIOMotorClientSession, database: Database) -> bool:
    """Commit on the event loop. Returns whether that has succeeded. If not, another commit has the same effect."""
    try:
        return await direct_writes.commit(database.direct_commands, database.client.delegate, session.delegate)
    except PyMongoError:
        return False


async def _commit_and_append(
    session: AsyncIOMotorClientSession,
    database: Database,
    changes: Sequence[PreparedChange],
    appender: Appender,
    on_written: Callable[[], None],
) -> bool:
    """Commit, and append the facts, so that one wait for a majority is enough for both. Returns whether that has
    succeeded. If not, the transaction may be committed, and another commit has the same effect."""
    try:
        commit = await direct_writes.commit_locally(
            database.direct_commands, database.client.delegate, session.delegate
        )
    except PyMongoError:
        return False
    if commit is None:
        return False
    on_written()
    facts = [fact for change in changes for fact in change.facts]
    encoded = [raw for change in changes for raw in change.encoded_facts]

    def acknowledge() -> None:
        for change in changes:
            change.acknowledge()

    return await appender.append_behind(commit, facts, encoded, acknowledge=acknowledge)


async def _commit_on_thread(
    session: AsyncIOMotorClientSession,
    database: Database,
    changes: Sequence[PreparedChange],
    plan: Plan | None,
    on_written: Callable[[], None] = lambda: None,
) -> None:
    """Execute the plan, if there is one, and commit, through the driver."""
    committing = plan is None
    loop = asyncio.get_running_loop()

    def work() -> None:
        """One call on one thread: each call waits for a free thread."""
        nonlocal committing
        try:
            if plan is not None:
                plan.execute(session.delegate, database.raw.name)
                begin_commit(changes)
                committing = True
            loop.call_soon_threadsafe(on_written)
            session.delegate.commit_transaction()
        except BaseException as error:
            if committing and isinstance(error, PyMongoError) and _is_commit_unknown(error):
                raise
            end_commit(changes)
            abort(session.delegate)
            raise

    try:
        await threads.run(work)
    except PyMongoError as error:
        if not committing or not _is_commit_unknown(error):
            raise
        await _commit_again(session, changes)


async def _commit_again(session: AsyncIOMotorClientSession, changes: Sequence[PreparedChange]) -> None:
    await asyncio.sleep(COMMIT_RETRY_SECONDS)
    try:
        await with_retries(
            lambda: threads.run(session.delegate.commit_transaction),
            retry_on=_is_commit_unknown,
            seconds=max(change.deadline.at for change in changes) - asyncio.get_running_loop().time(),
            interval=COMMIT_RETRY_SECONDS,
        )
    except PyMongoError as error:
        if not _is_commit_unknown(error):
            raise
        raise outcome_unknown() from error


def _is_commit_unknown(error: PyMongoError) -> bool:
    """Whether a commit that raised this error may have taken effect."""
    return error.has_error_label("UnknownTransactionCommitResult") or is_session_killed(error)
