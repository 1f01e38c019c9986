"""Operations of the commands, in the database of the deployment and without a token."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from resolvers import apps, users
from resolvers.auth import access
from resolvers.auth.access import Caller
from resolvers.context import Context
from resolvers.routing import capacity_check
from resolvers.services import create_services
from server.cli.command import CommandError
from storage.mongo.connection import to_builtins
from storage.mongo.cursors import event_cursor, event_sequence
from storage.records import SYSTEM, App, User
from storage.runtime import Storage

#: The limits of one read of an export.
EXPORT_BATCH: Final = 256
EXPORT_BYTES: Final = 4 * 1024 * 1024


async def create_app(uri: str, database: str, *, name: str, scopes: Sequence[str]) -> apps.AppWithToken:
    """Create an app. Raises Invalid."""
    async with operator_context(uri, database) as context:
        return await apps.create_app(context, name=name, scopes=scopes)


async def list_apps(uri: str, database: str) -> list[App]:
    """All apps, revoked ones included, oldest first."""
    async with operator_context(uri, database) as context:
        return await apps.list_apps(context)


async def rotate_app_token(uri: str, database: str, *, app_id: str, overlap_seconds: int = 0) -> apps.AppWithToken:
    """Give an app a new token. Raises Invalid."""
    async with operator_context(uri, database) as context:
        return await apps.rotate_app_token(context, app_id=app_id, overlap_seconds=overlap_seconds)


async def revoke_app(uri: str, database: str, *, app_id: str) -> None:
    """Revoke an app."""
    async with operator_context(uri, database) as context:
        await apps.revoke_app(context, app_id=app_id)


async def create_user(
    uri: str,
    database: str,
    *,
    username: str,
    name: str | None,
    emails: Sequence[str],
    roles: Sequence[str],
    password: str | None,
) -> User:
    """Create a user. Raises Invalid, UsernameTaken or UnknownRole."""
    async with operator_context(uri, database) as context:
        return await users.create_user(
            context, username=username, name=name, emails=emails, roles=roles, password=password
        )


async def verify_counts(uri: str, database: str, *, repair: bool) -> list[capacity_check.RoomCountMismatch]:
    """The agents whose openRoomCount is wrong; with `repair`, their counts are corrected."""
    async with operator_context(uri, database) as context:
        return await (capacity_check.repair_mismatches(context) if repair else capacity_check.find_mismatches(context))


async def export_events(uri: str, database: str, *, after: str | None, write: Callable[[bytes], object]) -> str:
    """Write the events after a cursor, or all that are kept, as JSON lines. Returns the cursor of the last one.

    Ends at the event that is the newest when this begins. Raises InvalidCursor, and CommandError if events after the
    cursor are not kept any more.
    """
    async with operator_context(uri, database) as context:
        log = context.storage.log
        oldest, head = await log.oldest(), await log.head()
        position = oldest - 1 if after is None else event_sequence(after)
        if position < oldest - 1:
            raise not_kept(oldest)
        while position < head:
            facts, _ = await log.read_within(position, EXPORT_BATCH, size=EXPORT_BYTES)
            for fact in facts:
                if fact.sequence != position + 1:  # events were trimmed from the log since this began
                    raise not_kept(fact.sequence)
                position = fact.sequence
                write(msgspec.json.encode({"cursor": event_cursor(position), **to_builtins(fact)}) + b"\n")
                if position == head:
                    break
        return event_cursor(position)


def not_kept(oldest: int) -> CommandError:
    cursor = event_cursor(oldest - 1)
    return CommandError(f"The events after this cursor are not kept any more. Those that are follow --after {cursor}")


@asynccontextmanager
async def operator_context(uri: str, database: str) -> AsyncIterator[Context]:
    """A context with every permission. Servers may be running on the same database."""
    async with Storage.open(uri, database) as storage:
        yield Context(create_services(storage), Caller(actor=SYSTEM, scopes=frozenset({access.ADMIN})))
