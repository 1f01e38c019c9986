"""Apps: outside programs with tokens of their own; how they come, change their tokens and go."""

from datetime import datetime
from typing import Self

import strawberry

from resolvers import apps
from schema.base.fields import api_input, api_type, mutation_field, query_field
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.execution.context import Info
from storage import records


@api_type
class App:
    """An outside program with a token of its own. The token itself is never among what can be read."""

    id: strawberry.ID
    """Its identity. Stays the same for life."""
    name: str
    """What it is called."""
    scopes: list[str]
    """What its token opens, in alphabetical order, such as `rooms:assign`; `admin` opens everything."""
    active: bool
    """Whether its tokens open anything: until it is revoked."""
    created_at: datetime
    """When it was created."""
    last_used_at: datetime | None
    """When its token was last used, to the minute; null when it never was."""

    @classmethod
    def from_record(cls, record: records.App) -> Self:
        return cls(
            id=strawberry.ID(record.id),
            name=record.name,
            scopes=list(record.scopes),
            active=record.active,
            created_at=record.created_at,
            last_used_at=record.last_used_at,
        )


@api_type
class AppQueries:
    """Reading apps."""

    @query_field(apps.list_apps)
    async def apps(self, info: Info) -> list[App]:
        """All apps, revoked ones included, in the order in which they were created."""
        return [App.from_record(record) for record in await apps.list_apps(info.context.resolver_context)]


# ---------------------------------------------------------------- mutations


@api_input
class CreateAppInput(MutationInput):
    """An app that does not exist yet."""

    name: str
    """What to call it: 1 to 128 characters."""
    scopes: list[str]
    """What its token will open. Scopes that you do not hold yourself are `FORBIDDEN`; unknown ones `INVALID_INPUT`."""


@api_input
class RotateAppTokenInput(MutationInput):
    """An app that gets a new token."""

    app_id: strawberry.ID
    """The app; `NOT_FOUND` when there is none."""
    overlap_seconds: int = 0
    """For how many seconds, up to 604,800 (a week), the old token goes on working beside the new one, so that a running
    app need not drop."""


@api_input
class RevokeAppInput(MutationInput):
    """An app that will open nothing any more."""

    app_id: strawberry.ID
    """The app; `NOT_FOUND` when there is none."""


@api_type
class CreateAppPayload(MutationPayload):
    """The app that came to be, and its token."""

    app: App
    """The new app."""
    token: str
    """Its token, shown this once: keep it. Send it as `Authorization: Bearer TOKEN`."""


@api_type
class RotateAppTokenPayload(MutationPayload):
    """The app, and its new token."""

    app: App
    """The app."""
    token: str
    """Its new token, shown this once: keep it."""


@api_type
class RevokeAppPayload(MutationPayload):
    """The app that was revoked."""

    app: App
    """The app, no longer active."""


@api_type
class AppMutations:
    """Changing apps."""

    @mutation_field(apps.create_app)
    async def create_app(self, info: Info, input: Input[CreateAppInput]) -> CreateAppPayload | None:
        """Creates an app, and hands out its token. Recorded as `AppCreated`, without the token.

        `clientMutationId` is only repeated: sending this again creates another app.
        """
        result = await apps.create_app(
            info.context.mutation(input.client_mutation_id), name=input.name, scopes=input.scopes
        )
        return CreateAppPayload(
            app=App.from_record(result.app), token=result.token, client_mutation_id=input.client_mutation_id
        )

    @mutation_field(apps.rotate_app_token)
    async def rotate_app_token(self, info: Info, input: Input[RotateAppTokenInput]) -> RotateAppTokenPayload | None:
        """Gives an app a new token in place of its old one. Recorded as `AppTokenRotated`, without the token.

        The old token, and the subscriptions that were opened with it, end when the overlap does. `clientMutationId`
        is only repeated: sending this again makes another token.
        """
        result = await apps.rotate_app_token(
            info.context.mutation(input.client_mutation_id),
            app_id=input.app_id,
            overlap_seconds=input.overlap_seconds,
        )
        return RotateAppTokenPayload(
            app=App.from_record(result.app), token=result.token, client_mutation_id=input.client_mutation_id
        )

    @mutation_field(apps.revoke_app)
    async def revoke_app(self, info: Info, input: Input[RevokeAppInput]) -> RevokeAppPayload | None:
        """Shuts an app out for good: its tokens open nothing from now on, and its subscriptions end at once with the
        close code 4403. Recorded as `AppRevoked`, unless it was revoked already."""
        app = await apps.revoke_app(info.context.mutation(input.client_mutation_id), app_id=input.app_id)
        return RevokeAppPayload(app=App.from_record(app), client_mutation_id=input.client_mutation_id)
