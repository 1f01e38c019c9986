"""Apps: programs with tokens of their own. The type, the list, and the mutations."""

from datetime import datetime
from typing import Self

import strawberry

from resolvers import apps
from schema.app_data import AppDatum, DataKey, find_datum
from schema.base import ids
from schema.base.fields import api_input, api_type, mutation_field, query_field, scoped_field
from schema.base.mutation_types import Input, MutationInput, MutationInputWithoutAck, MutationPayload
from schema.base.node import Node
from schema.execution.context import Info
from storage import records
from storage.app_data import DataOwner


@api_type
class App(Node):
    """A program with a token of its own. The token cannot be read."""

    name: str
    """The display name."""
    scopes: list[str]
    """The scopes of the app's token in alphabetical order, such as `rooms:assign`. `admin` includes all scopes."""
    active: bool
    """Whether the app's tokens are valid. False after `revokeApp`."""
    created_at: datetime
    """When the app was created."""
    last_used_at: datetime | None
    """When the app's token was last used, to the minute; null if it was never used."""
    record: strawberry.Private[records.App]

    @classmethod
    def from_record(cls, record: records.App) -> Self:
        return cls(
            id=ids.APP.format(record.id),
            name=record.name,
            scopes=list(record.scopes),
            active=record.active,
            created_at=record.created_at,
            last_used_at=record.last_used_at,
            record=record,
        )

    @scoped_field(per_caller=True)
    async def app_data(self, info: Info, key: DataKey) -> AppDatum | None:
        """What your app keeps beside itself under this key (`setAppData`). Null if there is nothing, and for other
        apps. For apps only."""
        return await find_datum(info, DataOwner.APP, self.record.id, key)


@api_type
class AppQueries:
    """Queries of apps."""

    @query_field(apps.list_apps)
    async def apps(self, info: Info) -> list[App] | None:
        """All apps, including revoked ones, in the order in which they were created."""
        return [App.from_record(record) for record in await apps.list_apps(info.context.resolver_context)]


# ---------------------------------------------------------------- mutations


@api_input
class CreateAppInput(MutationInputWithoutAck):
    """Input of `createApp`."""

    name: str
    """The display name, 1 to 128 characters."""
    scopes: list[str]
    """The scopes of the app's token. `FORBIDDEN` for scopes that you do not have, `INVALID_INPUT` for unknown
    scopes."""


@api_input
class RotateAppTokenInput(MutationInputWithoutAck):
    """Input of `rotateAppToken`."""

    app_id: strawberry.ID
    """The id of the app. `NOT_FOUND` if there is no such app."""
    overlap_seconds: int = 0
    """The number of seconds, up to 604,800 (a week), for which the old token remains valid beside the new one."""


@api_input
class RevokeAppInput(MutationInput):
    """Input of `revokeApp`."""

    app_id: strawberry.ID
    """The id of the app. `NOT_FOUND` if there is no such app."""


@api_type
class CreateAppPayload(MutationPayload):
    """Result of `createApp`."""

    app: App
    """The new app."""
    token: str
    """The app's token. It is not shown again. Send it as `Authorization: Bearer TOKEN`."""


@api_type
class RotateAppTokenPayload(MutationPayload):
    """Result of `rotateAppToken`."""

    app: App
    """The app."""
    token: str
    """The app's new token. It is not shown again."""


@api_type
class RevokeAppPayload(MutationPayload):
    """Result of `revokeApp`."""

    app: App
    """The app, which is no longer active."""


@api_type
class AppMutations:
    """Mutations of apps."""

    @mutation_field(apps.create_app)
    async def create_app(self, info: Info, input: Input[CreateAppInput]) -> CreateAppPayload | None:
        """Creates an app and returns its token. Records `AppCreated`, without the token.

        A `clientMutationId` is returned but not stored: a repeated mutation creates another app.
        """
        result = await apps.create_app(info.context.mutation(input), name=input.name, scopes=input.scopes)
        return CreateAppPayload(
            app=App.from_record(result.app), token=result.token, client_mutation_id=input.client_mutation_id
        )

    @mutation_field(apps.rotate_app_token)
    async def rotate_app_token(self, info: Info, input: Input[RotateAppTokenInput]) -> RotateAppTokenPayload | None:
        """Replaces the token of an app. Records `AppTokenRotated`, without the token.

        When the overlap ends, the old token becomes invalid, and subscriptions that were opened with it end. A
        `clientMutationId` is returned but not stored: a repeated mutation creates another token.
        """
        result = await apps.rotate_app_token(
            info.context.mutation(input),
            app_id=ids.APP.parse(input.app_id, "appId"),
            overlap_seconds=input.overlap_seconds,
        )
        return RotateAppTokenPayload(
            app=App.from_record(result.app), token=result.token, client_mutation_id=input.client_mutation_id
        )

    @mutation_field(apps.revoke_app)
    async def revoke_app(self, info: Info, input: Input[RevokeAppInput]) -> RevokeAppPayload | None:
        """Makes all tokens of an app invalid, permanently. The app's subscriptions end at once with the close code
        4403. Records `AppRevoked`, unless the app was revoked already."""
        app = await apps.revoke_app(info.context.mutation(input), app_id=ids.APP.parse(input.app_id, "appId"))
        return RevokeAppPayload(app=App.from_record(app), client_mutation_id=input.client_mutation_id)
