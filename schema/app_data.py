"""What an app keeps beside entities: the type and the mutation. Rooms, users, visitors and apps have the field."""

from datetime import datetime
from typing import Annotated, Self, TypeAlias

import msgspec
import strawberry

from resolvers import app_data
from resolvers.auth import access
from schema.base import ids
from schema.base.fields import api_input, api_one_of, api_type, mutation_field, or_none
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.base.scalars import JSON
from schema.execution.context import Info
from storage import app_data as stored
from storage.app_data import DataOwner
from storage.errors import Invalid

DataKey: TypeAlias = Annotated[
    str, strawberry.argument(description="The key, as it was given to `setAppData`: 1 to 128 characters.")
]


@api_type
class AppDatum:
    """A value that an app keeps beside a room, a user, a visitor or itself. Only the app that wrote it sees it."""

    key: str
    """The key."""
    value: JSON
    """The value. It is never null."""
    version: int
    """The number of the last write. It grows with every write, and does not start again after the key was removed."""
    updated_at: datetime
    """When the value was last written."""

    @classmethod
    def from_record(cls, record: stored.AppDatum) -> Self:
        return cls(
            key=record.key,
            value=msgspec.json.decode(record.value_json),
            version=record.version,
            updated_at=record.updated_at,
        )


async def find_datum(info: Info, owner: DataOwner, owner_id: str, key: str) -> AppDatum | None:
    """What the caller keeps beside an entity under a key. Raises Forbidden unless it is an app with the scope."""
    caller = info.context.resolver_context.caller
    app_data.require_access(caller, owner)
    record = await info.context.loaders.app_data.load(app_data.datum_key(caller, owner, owner_id, key))
    return None if record is None else AppDatum.from_record(record)


# ---------------------------------------------------------------- mutation


@api_one_of
class AppDataOwner:
    """The entity beside which your app keeps data."""

    room_id: strawberry.ID | None = strawberry.UNSET
    """The id of a room. Needs the scope `rooms:read`."""
    user_id: strawberry.ID | None = strawberry.UNSET
    """The id of a user, or of an agent. Needs the scope `users:read`."""
    visitor_id: strawberry.ID | None = strawberry.UNSET
    """The id of a visitor. Needs the scope `visitors:read`."""
    app: bool | None = strawberry.UNSET
    """Your app itself, if true. Needs no scope. `INVALID_INPUT` if false."""

    def kind(self) -> DataOwner:
        """The kind of the entity that was given."""
        for kind, given in (
            (DataOwner.ROOM, self.room_id),
            (DataOwner.USER, self.user_id),
            (DataOwner.VISITOR, self.visitor_id),
        ):
            if or_none(given) is not None:
                return kind
        return DataOwner.APP

    def stored_id(self, app_id: str) -> str:
        """The stored id of the entity. Raises Invalid for an id of the wrong kind, and for `app: false`."""
        for kind, given, name in (
            (ids.ROOM, self.room_id, "roomId"),
            (ids.USER, self.user_id, "userId"),
            (ids.VISITOR, self.visitor_id, "visitorId"),
        ):
            if (found := kind.parse_optional(given, f"of.{name}")) is not None:
                return found
        if not self.app:
            raise Invalid("of.app must be true; for other entities give roomId, userId or visitorId.", key="of.app")
        return app_id


@api_input
class SetAppDataInput(MutationInput):
    """Input of `setAppData`."""

    of: AppDataOwner
    """The entity beside which the value is kept. `NOT_FOUND` if there is none that you may read."""
    key: str
    """The key, 1 to 128 characters. `INVALID_INPUT` if you have 100 other keys beside this entity."""
    value: JSON | None = strawberry.UNSET
    """The new value, at most 16 KiB as JSON. Null removes the key. `INVALID_INPUT` if left out."""
    if_version: int | None = None
    """The `version` that the value must have, and 0 if there must be no value yet. If it has another one, the mutation
    is refused with `STALE_VERSION`, and the error contains the current `version`. Not checked if null."""


@api_type
class SetAppDataPayload(MutationPayload):
    """Result of `setAppData`."""

    datum: AppDatum | None
    """The value as stored. Null if it was removed, or was not there."""


@api_type
class AppDataMutations:
    """Mutations of what apps keep beside entities."""

    @mutation_field(app_data.set_app_data)
    async def set_app_data(self, info: Info, input: Input[SetAppDataInput]) -> SetAppDataPayload | None:
        """Stores a JSON value beside a room, a user, a visitor or your app, under a key of your own, or removes it.

        For apps only, with the read scope of the entity; `FORBIDDEN` for others. Nobody else sees the value, and no
        event has it. Read it with `appData(key)` of the entity. `STALE_VERSION` if it is at another version than
        `ifVersion`. Records no event, and does not change the `revision` of the room.
        """
        caller = info.context.resolver_context.caller
        access.require_app(caller)
        owner = input.of.kind()
        app_data.require_access(caller, owner)
        owner_id = input.of.stored_id(caller.id)
        if input.value is strawberry.UNSET:
            raise Invalid("value is missing; null removes the key.", key="value")
        record = await app_data.set_app_data(
            info.context.mutation(input),
            owner=owner,
            owner_id=owner_id,
            key=input.key,
            value=input.value,
            if_version=input.if_version,
        )
        return SetAppDataPayload(
            datum=None if record is None else AppDatum.from_record(record),
            client_mutation_id=input.client_mutation_id,
        )
