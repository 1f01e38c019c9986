"""What the changes of a room are given and what they answer; the changes themselves are in room_mutations.py."""

import strawberry

from schema.base.fields import api_input, api_one_of, api_type
from schema.base.mutation_types import MutationInput, MutationPayload
from schema.custom_fields import CustomFieldInput, FieldIncrementInput
from schema.rooms import Room


@api_input
class RoomChangeInput(MutationInput):
    """What every change of a room takes."""

    room_id: strawberry.ID
    """The room; `NOT_FOUND` when there is none that you may see."""
    if_revision: int | None = None
    """Go on only while the room's `revision` is this one; otherwise `STALE_REVISION`, with the current `revision`
    beside the code. Whatever it is when null."""


@api_input
class StartRoomInput(MutationInput):
    """A conversation that begins."""

    visitor_token: str
    """The token of the visitor; `NOT_FOUND` for one that was never saved."""
    department_id: strawberry.ID | None = None
    """The department it is for, and whose rule finds an agent: `NOT_FOUND` when there is none, `DEPARTMENT_DISABLED`
    when it takes no new rooms. For any agent when null."""
    source: str = "api"
    """Where it came from: `api`, `widget`, `email`, `sms`, or a word of your own, of up to 64 characters."""
    subject: str | None = None
    """What it is about: up to 1,000 characters."""
    priority: int = 0
    """How urgent it is; higher is served first."""
    tags: list[str] | None = None
    """Tags to start with: up to 100, each of 1 to 128 characters."""
    custom_fields: list[CustomFieldInput] | None = None
    """Values of custom fields, in `RoomStarted` already. `FIELD_REQUIRED` when a required one is missing."""


@api_input
class AssignAgentInput(RoomChangeInput):
    """Who will serve a room."""

    agent_id: strawberry.ID
    """The agent: `NOT_FOUND` when there is no such user, `NOT_AN_AGENT` when it is none, `AGENT_NOT_ROUTABLE` (with a
    `reason`) when it cannot be given a room now. It need not work in the room's department."""


@api_input
class TakeRoomInput(RoomChangeInput):
    """A room to serve yourself."""


@api_input
class UnassignAgentInput(RoomChangeInput):
    """A room that its agent will no longer serve."""

    comment: str | None = None
    """Why, in up to 1,000 characters. `AgentUnassigned.comment` carries it."""


@api_one_of
class TransferTarget:
    """Whom to pass a room on to."""

    agent_id: strawberry.ID | None = strawberry.UNSET
    """An agent, who must be routable (`AGENT_NOT_ROUTABLE`)."""
    department_id: strawberry.ID | None = strawberry.UNSET
    """A department, which finds an agent by its own rule; `DEPARTMENT_DISABLED` when it takes no new rooms."""


@api_input
class TransferRoomInput(RoomChangeInput):
    """A room to pass on."""

    to: TransferTarget
    """To an agent or to a department."""
    comment: str | None = None
    """What whoever gets it should know, in up to 1,000 characters."""


@api_input
class HoldRoomInput(RoomChangeInput):
    """A room to put on hold."""

    comment: str | None = None
    """Why, for those who read it later, in up to 1,000 characters."""


@api_input
class ResumeRoomInput(RoomChangeInput):
    """A room to take up again."""


@api_input
class UpdateRoomInput(RoomChangeInput):
    """What will be different about a room. What is left out stays as it is."""

    subject: str | None = strawberry.UNSET
    """What it is about; null takes it away."""
    priority: int | None = strawberry.UNSET
    """How urgent it is; null makes it 0."""
    tags: list[str] | None = strawberry.UNSET
    """Tags instead of the present ones; null takes them away."""
    custom_fields: list[CustomFieldInput] | None = None
    """Values to change. They merge with what the room holds key by key, so that two writers of different fields both
    win."""
    increment: list[FieldIncrementInput] | None = None
    """Numbers to add to NUMBER fields, none of which `customFields` names too."""


@api_input
class CloseRoomInput(RoomChangeInput):
    """A conversation that ends."""

    comment: str | None = None
    """What there is to say at the end, in up to 1,000 characters."""
    tags: list[str] | None = None
    """Tags to add to those the room has, up to 100 in all."""
    custom_fields: list[CustomFieldInput] | None = None
    """Values to change on the way out; `RoomClosed` carries them."""


# ---------------------------------------------------------------- payloads


@api_type
class RoomPayload(MutationPayload):
    """A room after a change."""

    room: Room
    """The room as it is now."""


@api_type
class StartRoomPayload(RoomPayload):
    """The room that started, as routing left it: with its agent if one was found at once."""


@api_type
class AssignAgentPayload(RoomPayload):
    """The room with its agent."""


@api_type
class TakeRoomPayload(RoomPayload):
    """The room that is yours."""


@api_type
class UnassignAgentPayload(RoomPayload):
    """The room as routing left it: with another agent if one was found at once."""


@api_type
class TransferRoomPayload(RoomPayload):
    """The room where it is now."""


@api_type
class HoldRoomPayload(RoomPayload):
    """The room on hold."""


@api_type
class ResumeRoomPayload(RoomPayload):
    """The room that is served again."""


@api_type
class UpdateRoomPayload(RoomPayload):
    """The room with what was changed about it."""


@api_type
class CloseRoomPayload(RoomPayload):
    """The room that is over."""
