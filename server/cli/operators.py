"""Operations of the commands, in the database of the deployment and without a token."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from resolvers import apps, users
from resolvers.auth import access
from resolvers.auth.access import Caller
from resolvers.context import Context
from resolvers.routing import capacity_check
from resolvers.services import create_services
from storage.records import SYSTEM, App, User
from storage.runtime import Storage


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


@asynccontextmanager
async def operator_context(uri: str, database: str) -> AsyncIterator[Context]:
    """A context with every permission. Servers may be running on the same database."""
    async with Storage.open(uri, database) as storage:
        yield Context(create_services(storage), Caller(actor=SYSTEM, scopes=frozenset({access.ADMIN})))
