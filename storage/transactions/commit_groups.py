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

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo.errors import OperationFailure, PyMongoError

from storage import tracing
from storage.errors import Unavailable
from storage.log.outbox import Appender
from storage.mongo.connection import Database, is_transient, too_large
from storage.supervisor import spawn
from storage.threads import Work
from storage.transactions.commits import begin, write_and_commit
from storage.transactions.conflicts import Conflict
from storage.transactions.heartbeats import ProcessHeartbeat
from storage.transactions.writes import PreparedChange, RefusedChanges

#: How long others wait for the group that is being written. With two at a time, groups are smaller, and changes dearer.
WRITING_SECONDS = 0.05
#: The groups that are being written, or wait for a majority.
MAX_GROUPS_IN_FLIGHT = 8
#: Limits of a group, in changes and bytes.
MAX_CHANGES = 32
MAX_BYTES = 2 * 1024 * 1024
WRITE_CONFLICT = 112


@dataclass(frozen=True, slots=True)
class _Member:
    """A change, and the future that its attempt waits for."""

    change: PreparedChange
    #: Whether its facts are in the log.
    done: "asyncio.Future[bool]"
    #: Enters the span of the mutation.
    span: Callable[[], AbstractContextManager[object]]

    def succeed(self, *, appended: bool) -> None:
        self.change.acknowledge()
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
        #: Whether a group is being written: until it waits for a majority, for up to WRITING_SECONDS.
        self._is_writing = False

    async def commit(self, change: PreparedChange) -> bool:
        """Return when the change, which must be shareable, is committed: whether its facts are in the log, too.

        Otherwise raises the error of this change. A cancelled caller does not cancel the commit.
        """
        member = _Member(change, asyncio.get_running_loop().create_future(), tracing.current())
        self._waiting.append(member)
        self._dispatch()
        return await member.done

    async def commit_alone(self, session: AsyncIOMotorClientSession, change: PreparedChange, *, is_new: bool) -> bool:
        """Commit one change in the transaction of the session, and return what `commit` returns.

        `is_new`: nothing was sent in the transaction yet. Raises RefusedChanges with its error.
        """
        return await write_and_commit(session, self._database, [change], self._appender, is_new=is_new)

    def _dispatch(self) -> None:
        if self._waiting and not self._is_writing and len(self._in_flight) < MAX_GROUPS_IN_FLIGHT:
            self._is_writing = True
            task = spawn(self._run(), name="commit changes together", kind=Work.CHANGES)
            self._in_flight.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._in_flight.discard(task)
        self._dispatch()

    async def _run(self) -> None:
        """Commit the changes that wait when the task starts: all that were ready in one pass of the event loop."""
        is_writing = True

        def written() -> None:
            """Let another group write, while this one waits for a majority, or for a database that is slow."""
            nonlocal is_writing
            if is_writing:
                is_writing = False
                timer.cancel()
                self._is_writing = False
                self._dispatch()

        timer = asyncio.get_running_loop().call_later(WRITING_SECONDS, written)
        try:
            if members := self._take():
                await self._commit(members, written)
        finally:
            written()

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

    async def _commit(self, members: list[_Member], written: Callable[[], None]) -> None:
        """Commit the changes, in as few transactions as possible. Every member has its outcome after that."""
        groups = deque([members])
        try:
            while groups:
                rest, refused = await self._try(groups.popleft(), written)
                groups.extendleft(reversed(rest))
                # A change of the group that is not committed may have refused them: they are tried after the others.
                groups.extend([member] for member in refused)
        except BaseException as error:
            # Unexpected, as when the process stops.
            failure = error if isinstance(error, Exception) else RuntimeError(f"The commit was interrupted: {error!r}.")
            for member in members:
                member.fail(failure)
            raise

    async def _try(
        self, members: list[_Member], written: Callable[[], None]
    ) -> tuple[Sequence[list[_Member]], Sequence[_Member]]:
        """Commit the group. Returns the groups to try next: without changes that failed, or halves of this group; and
        the changes to try alone, once all others have their outcome."""
        try:
            with members[0].span():
                appended = await self._commit_once([member.change for member in members], written)
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

    async def _commit_once(self, changes: Sequence[PreparedChange], written: Callable[[], None]) -> bool:
        session = await begin(self._database, self._process)
        try:
            return await write_and_commit(
                session,
                self._database,
                changes,
                self._appender,
                written,
                # Another group, or another process, would wait for the numbers of these facts.
                may_append=len(changes) == 1 and len(self._in_flight) == 1 and self._process.is_alone,
            )
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
