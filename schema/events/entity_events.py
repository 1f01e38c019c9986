"""The events of visitors, users, agents, departments, roles, custom fields and apps. Those of rooms are in
room_events.py."""

from schema.base.fields import api_type
from schema.events.changes import Change
from schema.events.configuration_snapshots import AppSnapshot, FieldDefinitionSnapshot, RoleSnapshot
from schema.events.event_types import Event
from schema.events.snapshots import DepartmentSnapshot, UserSnapshot, VisitorSnapshot


@api_type
class VisitorSaved(Event):
    """A visitor was created or changed."""

    visitor: VisitorSnapshot
    """The visitor after the event."""
    created: bool
    """Whether the visitor was created."""
    changes: list[Change]
    """The changes of `name`, `email`, `phone` and `customFields.KEY`, in this order. Empty if it was created."""


@api_type
class UserCreated(Event):
    """A user was created."""

    user: UserSnapshot
    """The user after the event."""


@api_type
class UserUpdated(Event):
    """A user's username, name, email addresses, custom fields or password changed, or the user was activated or
    deactivated."""

    user: UserSnapshot
    """The user after the event."""
    changes: list[Change]
    """The changes of `username`, `name`, `emails`, `active` and `customFields.KEY`, in this order, without a change of
    the password."""


@api_type
class UserRolesChanged(Event):
    """A user gained or lost roles."""

    user: UserSnapshot
    """The user after the event."""
    changes: list[Change]
    """The change of `roles`, whose values are the names of the roles in alphabetical order."""


@api_type
class UserPresenceChanged(Event):
    """A user's presence changed."""

    user: UserSnapshot
    """The user after the event."""
    changes: list[Change]
    """The change of `presence`."""


@api_type
class AgentAdded(Event):
    """A user became an omnichannel agent."""

    user: UserSnapshot
    """The user after the event, with its agent."""


@api_type
class AgentUpdated(Event):
    """Whether routing offers rooms to an agent, the agent's limit or its departments changed."""

    user: UserSnapshot
    """The user after the event, with its agent."""
    changes: list[Change]
    """The changes of `agent.acceptsRouting`, `agent.maxRooms` and `agent.departmentIds`, in this order."""


@api_type
class AgentRemoved(Event):
    """A user is no longer an omnichannel agent. The events of the rooms that return to the queue follow."""

    user: UserSnapshot
    """The user after the event, without an agent."""


@api_type
class AgentStatusChanged(Event):
    """The status of an agent changed."""

    user: UserSnapshot
    """The user after the event, with its agent."""
    changes: list[Change]
    """The change of `agent.status`."""


@api_type
class DepartmentSaved(Event):
    """A department was created or changed."""

    department: DepartmentSnapshot
    """The department after the event."""
    created: bool
    """Whether the department was created."""
    changes: list[Change]
    """The changes of `name`, `enabled`, `routing`, `externalTimeoutSeconds`, `fallbackRouting`, `whenAgentGone` and
    `agentGoneAfterSeconds`, in this order. Empty if it was created."""


@api_type
class RoleCreated(Event):
    """A role was created."""

    role: RoleSnapshot
    """The role after the event."""


@api_type
class RoleUpdated(Event):
    """The description or the scopes of a role changed."""

    role: RoleSnapshot
    """The role after the event."""
    changes: list[Change]
    """The changes of `description` and `scopes`, in this order."""


@api_type
class CustomFieldDefined(Event):
    """A custom field was defined."""

    definition: FieldDefinitionSnapshot
    """The definition after the event."""


@api_type
class CustomFieldUpdated(Event):
    """A custom field's label or constraints changed."""

    definition: FieldDefinitionSnapshot
    """The definition after the event."""
    changes: list[Change]
    """The changes of `label`, `required`, `unique`, `options` and `pattern`, in this order."""


@api_type
class CustomFieldRemoved(Event):
    """A custom field and all of its values were removed."""

    definition: FieldDefinitionSnapshot
    """The definition before its removal."""


@api_type
class AppCreated(Event):
    """An app was created."""

    app: AppSnapshot
    """The app after the event."""


@api_type
class AppTokenRotated(Event):
    """An app got a new token. The event does not contain the token."""

    app: AppSnapshot
    """The app after the event."""


@api_type
class AppRevoked(Event):
    """An app was revoked: its tokens are no longer valid."""

    app: AppSnapshot
    """The app after the event, which is no longer active."""
