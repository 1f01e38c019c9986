"""Commits changes that are ready at the same time in one MongoDB transaction.

Most of the cost of a small transaction is in its commands: each costs the driver more than the database. A group costs
as many as one change. It is committed or aborted as a whole. If one of its changes fails, the others are committed
without it (docs/decisions/0031-changes-committed-together.md).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo import WriteConcern
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from storage import threads, tracing
from storage.errors import Unavailable
from storage.log.outbox import Appender
from storage.mongo import direct_writes
from storage.mongo.connection import Database, is_session_killed, is_transient, too_large
from storage.mongo.retries import with_retries
from storage.supervisor import spawn
from storage.threads import Work
from storage.transactions.conflicts import Conflict
from storage.transactions.deadline import outcome_unknown
from storage.transactions.heartbeats import ProcessHeartbeat
from storage.transactions.plans import Plan
from storage.transactions.writes import PreparedChange, RefusedChanges, abort, begin_commit, end_commit

#: Transactions of groups at the same time. With more, groups are smaller.
MAX_GROUPS_IN_FLIGHT = 2
#: Limits of a group, in changes and bytes.
MAX_CHANGES = 32
MAX_BYTES = 2 * 1024 * 1024
COMMIT_RETRY_SECONDS = 0.002
WRITE_CONFLICT = 112

_SNAPSHOT = ReadConcern("snapshot")
_MAJORITY = WriteConcern(w="majority")


@dataclass(frozen=True, slots=True)
class _Member:
    """A change, and the future that its attempt waits for."""

    change: PreparedChange
    #: Whether its facts are in the log.
    done: "asyncio.Future[bool]"
    #: Enters the span of the mutation.
    span: Callable[[], AbstractContextManager[object]]

    def succeed(self, *, appended: bool) -> None:
        if not self.done.done():
            self.done.set_result(appended)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class CommitGroups:
    """Commits the changes of one process, together where they are ready at the same time."""

    def __init__(self, database: Database, process: ProcessHeartbeat, appender: Appender) -> None:
        self._database = database
        self._process = process
        self._appender = appender
        self._waiting: deque[_Member] = deque()
        self._in_flight: set[asyncio.Task[None]] = set()

    async def commit(self, change: PreparedChange) -> bool:
        """Return when the change, which must be shareable, is committed: whether its facts are in the log, too.

        Otherwise raises the error of this change. A cancelled caller does not cancel the commit.
        """
        member = _Member(change, asyncio.get_running_loop().create_future(), tracing.current())
        self._waiting.append(member)
        self._dispatch()
        return await member.done

    async def commit_alone(self, session: AsyncIOMotorClientSession, change: PreparedChange) -> bool:
        """Commit one change in the transaction of the session, and return what `commit` returns.

        Raises RefusedChanges with its error.
        """
        return await write_and_commit(session, self._database, [change], self._appender)

    def _dispatch(self) -> None:
        if self._waiting and len(self._in_flight) < MAX_GROUPS_IN_FLIGHT:
            task = spawn(self._run(), name="commit changes together", kind=Work.CHANGES)
            self._in_flight.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._in_flight.discard(task)
        self._dispatch()

    async def _run(self) -> None:
        """Commit the changes that wait when the task starts: all that were ready in one pass of the event loop."""
        while members := self._take():
            await self._commit(members)

    def _take(self) -> list[_Member]:
        taken: list[_Member] = []
        size = 0
        while self._waiting and len(taken) < MAX_CHANGES:
            change = self._waiting[0].change
            size += change.size
            if taken and size > MAX_BYTES:
                break
            taken.append(self._waiting.popleft())
        return taken

    async def _commit(self, members: list[_Member]) -> None:
        """Commit the changes, in as few transactions as possible. Every member has its outcome after that."""
        groups = deque([members])
        try:
            while groups:
                rest, refused = await self._try(groups.popleft())
                groups.extendleft(reversed(rest))
                # A change of the group that is not committed may have refused them: they are tried after the others.
                groups.extend([member] for member in refused)
        except BaseException as error:
            # Unexpected, as when the process stops.
            failure = error if isinstance(error, Exception) else RuntimeError(f"The commit was interrupted: {error!r}.")
            for member in members:
                member.fail(failure)
            raise

    async def _try(self, members: list[_Member]) -> tuple[Sequence[list[_Member]], Sequence[_Member]]:
        """Commit the group. Returns the groups to try next: without changes that failed, or halves of this group; and
        the changes to try alone, once all others have their outcome."""
        try:
            with members[0].span():
                appended = await self._commit_once([member.change for member in members])
        except RefusedChanges as refused:
            others = [member for place, member in enumerate(members) if place not in refused.errors]
            again = []
            for place, error in refused.errors.items():
                if others and not isinstance(error, Conflict):
                    again.append(members[place])
                else:
                    members[place].fail(error)
            return ([others] if others else []), again
        except Exception as error:
            if len(members) > 1 and _may_concern_one(error):
                middle = len(members) // 2
                return [members[:middle], members[middle:]], []
            for member in members:
                member.fail(error)
        else:
            for member in members:
                member.succeed(appended=appended)
        return [], []

    async def _commit_once(self, changes: Sequence[PreparedChange]) -> bool:
        session = await begin(self._database, self._process)
        try:
            return await write_and_commit(session, self._database, changes, self._appender)
        finally:
            session.delegate.end_session()


def _may_concern_one(error: Exception) -> bool:
    """Whether the error may concern one change of a group. Otherwise all have it: it is unknown whether
    the group is committed, or all must be tried again, on fresh data."""
    if isinstance(error, Unavailable):
        return False
    if not isinstance(error, PyMongoError):
        return True
    is_conflict = isinstance(error, OperationFailure) and error.code == WRITE_CONFLICT
    return is_conflict or too_large(error) or not is_transient(error)


async def begin(database: Database, process: ProcessHeartbeat) -> AsyncIOMotorClientSession:
    """Begin a transaction in a session of its own."""
    # Starting and ending a session sends nothing to the database, so neither needs a thread.
    session = AsyncIOMotorClientSession(database.client.delegate.start_session(), database.client)
    await process.register_session(session)
    session.start_transaction(read_concern=_SNAPSHOT, write_concern=_MAJORITY)
    return session


async def write_and_commit(
    session: AsyncIOMotorClientSession, database: Database, changes: Sequence[PreparedChange], appender: Appender
) -> bool:
    """Write and commit the changes in the session's transaction, which is aborted if that fails.

    Returns whether their facts are in the log, too. An unknown result of a commit is followed by another commit of the
    same transaction, which commits it once.
    """
    plan = Plan(changes)
    written = False
    try:
        written = plan.is_one_message and await _write_directly(session, database, plan)
        if written:
            begin_commit(changes)
    except BaseException:
        await threads.run(partial(abort, session.delegate))
        raise
    if written and any(change.facts for change in changes):
        if await _commit_and_append(session, database, changes, appender):
            return True
    elif written and await _commit_directly(session, database):
        return False
    await _commit_on_thread(session, database, changes, None if written else plan)
    return False


async def _write_directly(session: AsyncIOMotorClientSession, database: Database, plan: Plan) -> bool:
    """Execute the plan on the event loop. Returns False if nothing was sent. Raises what `Plan.settle` raises."""
    connections, client = database.direct_reads, database.client.delegate
    replies = await direct_writes.run(connections, client, database.raw.name, plan.commands(), session=session.delegate)
    if replies is None:
        return False
    if plan.is_plain_success(replies):
        plan.settle(session.delegate, replies)
    else:
        await threads.run(partial(plan.settle, session.delegate, replies))
    return True


async def _commit_directly(session: AsyncIOMotorClientSession, database: Database) -> bool:
    """Commit on the event loop. Returns whether that has succeeded. If not, another commit has the same effect."""
    try:
        return await direct_writes.commit(database.direct_reads, database.client.delegate, session.delegate)
    except PyMongoError:
        return False


async def _commit_and_append(
    session: AsyncIOMotorClientSession, database: Database, changes: Sequence[PreparedChange], appender: Appender
) -> bool:
    """Commit, and append the facts, so that one wait for a majority is enough for both. Returns whether that has
    succeeded. If not, the transaction may be committed, and another commit has the same effect."""
    try:
        commit = await direct_writes.commit_locally(database.direct_reads, database.client.delegate, session.delegate)
    except PyMongoError:
        return False
    facts = [fact for change in changes for fact in change.facts]
    encoded = [raw for change in changes for raw in change.encoded_facts]
    return commit is not None and await appender.append_behind(commit, facts, encoded)


async def _commit_on_thread(
    session: AsyncIOMotorClientSession, database: Database, changes: Sequence[PreparedChange], plan: Plan | None
) -> None:
    """Execute the plan, if there is one, and commit, through the driver."""
    committing = plan is None

    def work() -> None:
        """One call on one thread: each call waits for a free thread."""
        nonlocal committing
        try:
            if plan is not None:
                plan.execute(session.delegate, database.raw.name)
                begin_commit(changes)
                committing = True
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
