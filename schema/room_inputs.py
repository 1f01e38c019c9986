"""Inputs and payloads of the mutations in room_mutations.py."""

import strawberry

from schema.base.fields import api_input, api_one_of, api_type
from schema.base.filters import UserFilter
from schema.base.mutation_types import MutationInput, MutationPayload
from schema.custom_fields import CustomFieldInput, CustomFieldRef, FieldIncrementInput
from schema.rooms import Room
from schema.visitors import SaveVisitorFields


@api_input
class RoomChangeInput(MutationInput):
    """The fields that the inputs of mutations of an existing room have."""

    room_id: strawberry.ID
    """The id of the room. `NOT_FOUND` if there is no such room that you may read."""
    if_revision: int | None = None
    """The `revision` that the room must have. If it has another one, the mutation is refused with `STALE_REVISION`, and
    the error contains the current `revision`. Not checked if null."""


@api_input
class StartRoomInput(MutationInput):
    """Input of `startRoom`."""

    visitor_token: str | None = None
    """The token of the visitor, required from apps and users (`INVALID_INPUT`). `NOT_FOUND` if no visitor was saved
    with this token. A visitor starts rooms of its own, and leaves it out."""
    department_id: strawberry.ID | None = None
    """The id of the department that routes the room. `NOT_FOUND` if there is no such department, `DEPARTMENT_DISABLED`
    if it takes no new rooms. If null, the room can be routed to any agent."""
    source: str = "api"
    """The channel: `api`, `widget`, `email`, `sms`, or another name, up to 64 characters."""
    subject: str | None = None
    """The subject, up to 1,000 characters."""
    priority: int = 0
    """The priority. Queued rooms with a higher priority are routed first."""
    tags: list[str] | None = None
    """The tags: up to 100, each of 1 to 128 characters."""
    custom_fields: list[CustomFieldInput] | None = None
    """Values of custom fields. The event `RoomStarted` contains them. `FIELD_REQUIRED` if a required field has no
    value."""
    agent_filter: UserFilter | None = None
    """Routing offers the room only to agents whose users match this filter. It does not apply to `preferredAgentId`,
    `assignAgent`, `takeRoom` and `transferRoom` to an agent. `UNKNOWN_FIELD`, `INVALID_FIELD_VALUE`; `INVALID_INPUT` if
    it takes more than 16 KiB as JSON. Rooms that no available agent matches do not delay other rooms."""
    agent_filter_seconds: int | None = None
    """After how many seconds `agentFilter` ends, from 1 to 31,536,000. Never if null. `INVALID_INPUT` without
    `agentFilter`."""
    preferred_agent_id: strawberry.ID | None = None
    """The id of an agent who gets the room if the agent is routable and works in the department, also with the routing
    MANUAL or EXTERNAL. `acceptsRouting` and `agentFilter` are not checked. Otherwise the room is routed as usual.
    `NOT_FOUND`, `NOT_AN_AGENT`."""


@api_input
class EnsureRoomInput(MutationInput):
    """Input of `ensureRoom`. If the room exists already, only `by` counts."""

    by: CustomFieldRef
    """A unique custom field of rooms, and its value. `INVALID_INPUT` if the field is not unique."""
    visitor: SaveVisitorFields
    """The visitor of a new room, which is saved with it."""
    department_id: strawberry.ID | None = None
    """The id of the department that routes a new room. `NOT_FOUND` if there is no such department,
    `DEPARTMENT_DISABLED` if it takes no new rooms. If null, the room can be routed to any agent."""
    source: str = "api"
    """The channel of a new room: `api`, `widget`, `email`, `sms`, or another name, up to 64 characters."""
    subject: str | None = None
    """The subject of a new room, up to 1,000 characters."""
    priority: int = 0
    """The priority of a new room. Queued rooms with a higher priority are routed first."""
    tags: list[str] | None = None
    """The tags of a new room: up to 100, each of 1 to 128 characters."""
    custom_fields: list[CustomFieldInput] | None = None
    """Further values of custom fields of a new room. `INVALID_INPUT` if they have another value of the field of
    `by`. `FIELD_REQUIRED` if a required field has no value."""
    agent_filter: UserFilter | None = None
    """Routing offers a new room only to agents whose users match this filter, as for `startRoom`."""
    agent_filter_seconds: int | None = None
    """After how many seconds `agentFilter` ends, from 1 to 31,536,000. Never if null. `INVALID_INPUT` without
    `agentFilter`."""
    preferred_agent_id: strawberry.ID | None = None
    """The id of an agent who gets a new room if possible, as for `startRoom`."""


@api_input
class AssignAgentInput(RoomChangeInput):
    """Input of `assignAgent`."""

    agent_id: strawberry.ID
    """The id of the agent, who need not work in the room's department. `NOT_FOUND` if there is no such user,
    `NOT_AN_AGENT` if the user is not an agent, `AGENT_NOT_ROUTABLE` (with a `reason`) if the agent cannot take a room
    now."""


@api_input
class DeclineRoutingInput(MutationInput):
    """Input of `declineRouting`."""

    room_id: strawberry.ID
    """The id of the room. `NOT_FOUND` if there is no such room that you may read."""
    reason: str | None = None
    """The reason, up to 1,000 characters. It becomes `RoutingDeclined.reason`."""


@api_input
class TakeRoomInput(RoomChangeInput):
    """Input of `takeRoom`."""


@api_input
class UnassignAgentInput(RoomChangeInput):
    """Input of `unassignAgent`."""

    comment: str | None = None
    """The reason, up to 1,000 characters. It becomes `AgentUnassigned.comment`."""
    keep_place: bool = False
    """Whether the room returns to the place in the queue that it had before it was assigned: `queuedAt` is the time at
    which it was queued then. Otherwise a new wait begins."""
    same_agent_again: bool = False
    """Whether routing may give the room to the same agent again. Otherwise another agent must serve it first
    (`passedOver`)."""


@api_one_of
class TransferTarget:
    """The agent or the department to transfer a room to."""

    agent_id: strawberry.ID | None = strawberry.UNSET
    """The id of an agent. `AGENT_NOT_ROUTABLE` if the agent cannot take a room now."""
    department_id: strawberry.ID | None = strawberry.UNSET
    """The id of a department, which routes the room by its own rule. `DEPARTMENT_DISABLED` if it takes no new rooms."""


@api_input
class TransferRoomInput(RoomChangeInput):
    """Input of `transferRoom`."""

    to: TransferTarget
    """The agent or the department to transfer the room to."""
    comment: str | None = None
    """A comment for the new agent, up to 1,000 characters."""


@api_input
class HoldRoomInput(RoomChangeInput):
    """Input of `holdRoom`."""

    comment: str | None = None
    """The reason, up to 1,000 characters."""


@api_input
class ResumeRoomInput(RoomChangeInput):
    """Input of `resumeRoom`."""


@api_input
class UpdateRoomInput(RoomChangeInput):
    """Input of `updateRoom`. Fields that are left out keep their values."""

    subject: str | None = strawberry.UNSET
    """The subject; null removes it."""
    priority: int | None = strawberry.UNSET
    """The priority; null sets it to 0."""
    tags: list[str] | None = strawberry.UNSET
    """The tags, replacing the current ones; null removes them."""
    custom_fields: list[CustomFieldInput] | None = None
    """Custom field values to change. They are merged with the room's values key by key, so concurrent changes of
    different fields do not overwrite each other."""
    increment: list[FieldIncrementInput] | None = None
    """Numbers to add to NUMBER fields. A field must not be in `customFields` too."""
    agent_filter: UserFilter | None = strawberry.UNSET
    """Routing offers the room only to agents whose users match this filter, as in `startRoom`. A new filter replaces
    the current one and its end. Null removes the filter."""
    agent_filter_seconds: int | None = strawberry.UNSET
    """After how many seconds the filter ends, from 1 to 31,536,000, counted from now. Without a new `agentFilter`, this
    changes the end of the current one; `INVALID_INPUT` if the room has none. Null: never."""


@api_input
class CloseRoomInput(RoomChangeInput):
    """Input of `closeRoom`."""

    comment: str | None = None
    """A closing comment, up to 1,000 characters."""
    tags: list[str] | None = None
    """Tags to add to the room's tags, up to 100 in total."""
    custom_fields: list[CustomFieldInput] | None = None
    """Custom field values to change. The event `RoomClosed` contains them."""


# ---------------------------------------------------------------- payloads


@api_type
class RoomPayload(MutationPayload):
    """The fields of a payload with a room."""

    room: Room
    """The room after the change."""


@api_type
class StartRoomPayload(RoomPayload):
    """Result of `startRoom`: the room after routing, with its agent if one was found at once."""


@api_type
class EnsureRoomPayload(RoomPayload):
    """Result of `ensureRoom`: the room that was found, or the new one after routing."""

    created: bool
    """Whether this mutation started the room. False also if a concurrent call started it."""


@api_type
class AssignAgentPayload(RoomPayload):
    """Result of `assignAgent`."""


@api_type
class DeclineRoutingPayload(RoomPayload):
    """Result of `declineRouting`: the room after routing by the fallback, with its agent if one was found at once."""


@api_type
class TakeRoomPayload(RoomPayload):
    """Result of `takeRoom`."""


@api_type
class UnassignAgentPayload(RoomPayload):
    """Result of `unassignAgent`: the room after routing, with another agent if one was found at once."""


@api_type
class TransferRoomPayload(RoomPayload):
    """Result of `transferRoom`."""


@api_type
class HoldRoomPayload(RoomPayload):
    """Result of `holdRoom`."""


@api_type
class ResumeRoomPayload(RoomPayload):
    """Result of `resumeRoom`."""


@api_type
class UpdateRoomPayload(RoomPayload):
    """Result of `updateRoom`."""


@api_type
class CloseRoomPayload(RoomPayload):
    """Result of `closeRoom`."""
