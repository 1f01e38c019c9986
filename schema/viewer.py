"""The caller, and the codes of errors: what a client reads before anything else."""

import strawberry

from resolvers import apps
from resolvers.auth import access
from schema.apps import App
from schema.base import ids
from schema.base.error_codes import MEANINGS, RETRYABLE, ErrorCode
from schema.base.fields import api_type, as_awaitable, field, query_field
from schema.execution.context import Info
from schema.users import User
from schema.visitors import Visitor
from storage import records


@api_type
class Viewer:
    """The app, user or visitor that the token belongs to, and what the token may do."""

    type: records.ActorType
    """The kind of the caller, and so of `id`."""
    id: strawberry.ID | None
    """The id of the app, user or visitor."""
    name: str | None
    """The app's name, the user's username or the visitor's name."""
    scopes: list[str]
    """The scopes of the token, in alphabetical order; none for a visitor. With `admin`, all scopes are listed."""
    roles: list[str]
    """The names of the user's roles, in alphabetical order; none for an app or a visitor."""
    visitor: Visitor | None
    """The visitor that the token belongs to; null for an app or a user."""

    @field
    def user(self, info: Info) -> User | None:
        """The logged-in user; null for an app or a visitor. Needs no scope."""
        caller = info.context.resolver_context.caller
        return None if caller.user is None else as_awaitable(_user(info, caller.user.id))

    @field
    def app(self, info: Info) -> App | None:
        """The app; null for a user or a visitor. Needs no scope."""
        return as_awaitable(_app(info)) if self.type is records.ActorType.APP else None


async def _user(info: Info, id: str) -> User:
    return User.from_record(await info.context.loaders.users.load(id))


async def _app(info: Info) -> App | None:
    found = await apps.find_own(info.context.resolver_context)
    return None if found is None else App.from_record(found)


@api_type
class ErrorCodeInfo:
    """A code of errors."""

    code: ErrorCode
    """The code, as in `extensions.code`."""
    meaning: str
    """What the code means. docs/reference/errors.md also says what to do."""
    retryable: bool
    """Whether the same request may succeed a little later without any other change. `UNAVAILABLE` has a `retryable` of
    its own in each error: if it is false, repeat a mutation only with the same `clientMutationId`."""


@api_type
class ViewerQueries:
    """Queries about the caller and the API itself."""

    @query_field(access.viewer, visitors=True)
    async def viewer(self, info: Info) -> Viewer:
        """The app, user or visitor that your token belongs to, and the scopes of the token. `UNAUTHENTICATED` without a
        valid token."""
        caller = info.context.resolver_context.caller
        actor = access.viewer(caller)
        return Viewer(
            type=actor.type,
            id=ids.format_actor(actor.type, actor.id),
            name=actor.name,
            scopes=access.listed_scopes(caller),
            roles=[] if caller.user is None else sorted(caller.user.roles),
            visitor=None if caller.visitor is None else Visitor.from_record(caller.visitor),
        )

    @query_field(None, anonymous=True)
    async def error_codes(self) -> list[ErrorCodeInfo]:
        """All codes of errors."""
        return [
            ErrorCodeInfo(code=code, meaning=meaning, retryable=code in RETRYABLE) for code, meaning in MEANINGS.items()
        ]
