"""Snapshots of roles, custom field definitions and apps; those of people and rooms are in snapshots.py."""

from typing import Self

import strawberry

from schema.apps import App
from schema.base import ids
from schema.base.fields import api_type, as_awaitable, field
from schema.custom_fields import CustomFieldDefinition
from schema.events.snapshots import read_current
from schema.execution.context import Info
from schema.roles import Role
from storage import records


@api_type
class RoleSnapshot:
    """A role as it was just after an event."""

    role_id: strawberry.ID
    """The id of the role."""
    name: str
    """The name. It is unique."""
    description: str | None
    """A description for people."""
    scopes: list[str]
    """The scopes of the users who hold the role, in alphabetical order. Empty for built-in roles in events of version
    0.1.0."""
    stored_id: strawberry.Private[str]

    @classmethod
    def from_record(cls, record: records.Role) -> Self:
        return cls(
            stored_id=record.id,
            role_id=ids.ROLE.format(record.id),
            name=record.name,
            description=record.description,
            scopes=list(record.scopes),
        )

    @field
    def current(self, info: Info) -> Role | None:
        """The role as it is now; null if there is none any more."""
        return as_awaitable(read_current(info.context.loaders.current_roles.load(self.stored_id), Role.from_record))


@api_type
class FieldDefinitionSnapshot:
    """A custom field's definition as it was just after an event, or before its removal."""

    definition_id: strawberry.ID
    """The id of the definition."""
    target: records.FieldTarget
    """The kind of entity that holds the field."""
    key: str
    """The key of the field in inputs, filters and answers. It is unique within the target."""
    type: records.FieldType
    """The type of the field's values."""
    label: str
    """The name to show to people."""
    required: bool
    """Whether every new entity of the target must hold a value."""
    unique: bool
    """Whether no two entities of the target may hold the same value."""
    options: list[str]
    """The allowed values of a SELECT or MULTI_SELECT, in the order in which to offer them. Empty for other types."""
    pattern: str | None
    """The regular expression, in RE2 syntax, that the whole of a TEXT must match; null if every text is allowed."""
    stored_id: strawberry.Private[str]

    @classmethod
    def from_record(cls, record: records.FieldDefinition) -> Self:
        return cls(
            stored_id=record.id,
            definition_id=ids.FIELD.format(record.id),
            target=record.target,
            key=record.key,
            type=record.type,
            label=record.label,
            required=record.required,
            unique=record.unique,
            options=list(record.options),
            pattern=record.pattern,
        )

    @field
    def current(self, info: Info) -> CustomFieldDefinition | None:
        """The definition as it is now; null after its removal."""
        return as_awaitable(
            read_current(
                info.context.loaders.current_definitions.load(self.stored_id), CustomFieldDefinition.from_record
            )
        )


@api_type
class AppSnapshot:
    """An app as it was just after an event."""

    app_id: strawberry.ID
    """The id of the app."""
    name: str
    """The display name."""
    scopes: list[str]
    """The scopes of the app's token, in alphabetical order."""
    active: bool
    """Whether the app's tokens were valid."""
    stored_id: strawberry.Private[str]

    @classmethod
    def from_record(cls, record: records.App) -> Self:
        return cls(
            stored_id=record.id,
            app_id=ids.APP.format(record.id),
            name=record.name,
            scopes=list(record.scopes),
            active=record.active,
        )

    @field
    def current(self, info: Info) -> App | None:
        """The app as it is now; null if there is none any more."""
        return as_awaitable(read_current(info.context.loaders.current_apps.load(self.stored_id), App.from_record))
