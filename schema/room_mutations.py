"""Mutations of rooms, from start to close."""

import msgspec
import strawberry

from resolvers import room_routing, room_starts, rooms
from resolvers.auth import access
from resolvers.custom_fields.definitions import FieldRef
from schema.base import ids
from schema.base.fields import api_type, mutation_field, or_unset
from schema.base.filters import given_agent_filter
from schema.base.mutation_types import Input
from schema.custom_fields import assignments, increments
from schema.execution.context import Info
from schema.room_inputs import (
    AssignAgentInput,
    AssignAgentPayload,
    CloseRoomInput,
    CloseRoomPayload,
    DeclineRoutingInput,
    DeclineRoutingPayload,
    EnsureRoomInput,
    EnsureRoomPayload,
    HoldRoomInput,
    HoldRoomPayload,
    ResumeRoomInput,
    ResumeRoomPayload,
    StartRoomInput,
    StartRoomPayload,
    TakeRoomInput,
    TakeRoomPayload,
    TransferRoomInput,
    TransferRoomPayload,
    UnassignAgentInput,
    UnassignAgentPayload,
    UpdateRoomInput,
    UpdateRoomPayload,
)
from schema.rooms import Room


@api_type
class RoomMutations:
    """Mutations of rooms."""

    @mutation_field(rooms.start_room, visitors=True)
    async def start_room(self, info: Info, input: Input[StartRoomInput]) -> StartRoomPayload | None:
        """Starts a room and routes it by the rule of its department, or by the default rule.

        A visitor gives `subject`, `source`, `departmentId` and `customFields` at most (`FORBIDDEN`), and is
        `RATE_LIMITED` while it has as many open rooms as it may have.

        Records `RoomStarted`, followed by `AgentAssigned` with the cause ROUTED, or by `RoomQueued` and, if the routing
        is EXTERNAL, `RoutingRequested`.
        """
        room = await rooms.start_room(
            info.context.mutation(input),
            visitor_token=input.visitor_token,
            department_id=ids.DEPARTMENT.parse_optional(input.department_id, "departmentId"),
            source=input.source,
            subject=input.subject,
            priority=input.priority,
            tags=input.tags or (),
            custom_fields=assignments(input.custom_fields),
            agent_filter=given_agent_filter(input.agent_filter),
            agent_filter_seconds=input.agent_filter_seconds,
            preferred_agent_id=ids.AGENT.parse_optional(input.preferred_agent_id, "preferredAgentId"),
        )
        return StartRoomPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)

    @mutation_field(room_starts.ensure_room)
    async def ensure_room(self, info: Info, input: Input[EnsureRoomInput]) -> EnsureRoomPayload | None:
        """Finds the room with a unique custom field value, or saves the visitor and starts the room, atomically.

        Concurrent calls with the same value result in one room, and all return it. A room that is found, open or
        closed, does not change, and neither does its visitor. `DUPLICATE_VALUE` if you may not read the room. Records
        `VisitorSaved` if the visitor is new or changes, and then what `startRoom` records; nothing for a room that is
        found.
        """
        result = await room_starts.ensure_room(
            info.context.mutation(input),
            by=FieldRef(key=input.by.key, value=input.by.value),
            visitor=input.visitor.values(),
            department_id=ids.DEPARTMENT.parse_optional(input.department_id, "departmentId"),
            source=input.source,
            subject=input.subject,
            priority=input.priority,
            tags=input.tags or (),
            custom_fields=assignments(input.custom_fields),
            agent_filter=given_agent_filter(input.agent_filter),
            agent_filter_seconds=input.agent_filter_seconds,
            preferred_agent_id=ids.AGENT.parse_optional(input.preferred_agent_id, "preferredAgentId"),
        )
        return EnsureRoomPayload(
            room=Room.from_mutation(result.room, info),
            created=result.created,
            client_mutation_id=input.client_mutation_id,
        )

    @mutation_field(rooms.assign_agent)
    async def assign_agent(self, info: Info, input: Input[AssignAgentInput]) -> AssignAgentPayload | None:
        """Assigns an agent to a room that has none. Of concurrent calls, one succeeds.

        `ROOM_ALREADY_ASSIGNED`, with the agent as `servedBy`, if the room is ASSIGNED or ON_HOLD. `ROOM_CLOSED`.
        Records `AgentAssigned` with the cause ASSIGNED.
        """
        room = await rooms.assign_agent(
            info.context.mutation(input),
            room_id=ids.ROOM.parse(input.room_id, "roomId"),
            agent_id=ids.AGENT.parse(input.agent_id, "agentId"),
            if_revision=input.if_revision,
        )
        return AssignAgentPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)

    @mutation_field(room_routing.decline_routing)
    async def decline_routing(self, info: Info, input: Input[DeclineRoutingInput]) -> DeclineRoutingPayload | None:
        """Does not decide about a room that waits for a decision (EXTERNAL). The fallback routes it at once.

        `ROOM_CLOSED`; `ROOM_NOT_WAITING_FOR_DECISION` if the room has an agent, another routing, or was declined
        before. Records `RoutingDeclined`, then `AgentAssigned` with the cause ROUTED, or `RoomQueued`.
        """
        room = await room_routing.decline_routing(
            info.context.mutation(input),
            room_id=ids.ROOM.parse(input.room_id, "roomId"),
            reason=input.reason,
        )
        return DeclineRoutingPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)

    @mutation_field(rooms.take_room)
    async def take_room(self, info: Info, input: Input[TakeRoomInput]) -> TakeRoomPayload | None:
        """Assigns you to a room that has no agent. For logged-in agents; `FORBIDDEN` for an app.

        `NOT_AN_AGENT` or `AGENT_NOT_ROUTABLE` if you are not an agent or cannot take a room now; other errors as for
        `assignAgent`. Records `AgentAssigned` with the cause TAKEN.
        """
        access.require_user(info.context.resolver_context.caller)  # an app is refused before its input is checked
        room = await rooms.take_room(
            info.context.mutation(input),
            room_id=ids.ROOM.parse(input.room_id, "roomId"),
            if_revision=input.if_revision,
        )
        return TakeRoomPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)

    @mutation_field(rooms.unassign_agent)
    async def unassign_agent(self, info: Info, input: Input[UnassignAgentInput]) -> UnassignAgentPayload | None:
        """Removes the agent from a room and returns the room to the queue. It may be routed to another agent at once.

        Routing does not choose the removed agent again until another one has served the room, unless you say
        `sameAgentAgain`. `ROOM_NOT_ASSIGNED` if the room has no agent. `ROOM_CLOSED`. Records `AgentUnassigned` with
        the cause UNASSIGNED, then `AgentAssigned`, or `RoomQueued` and, if the routing is EXTERNAL, `RoutingRequested`.
        """
        room = await rooms.unassign_agent(
            info.context.mutation(input),
            room_id=ids.ROOM.parse(input.room_id, "roomId"),
            comment=input.comment,
            keep_place=input.keep_place,
            same_agent_again=input.same_agent_again,
            if_revision=input.if_revision,
        )
        return UnassignAgentPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)

    @mutation_field(rooms.transfer_room)
    async def transfer_room(self, info: Info, input: Input[TransferRoomInput]) -> TransferRoomPayload | None:
        """Transfers a room that is not closed to an agent or to a department.

        `ROOM_CLOSED`, `AGENT_NOT_ROUTABLE`, `NOT_AN_AGENT`, `DEPARTMENT_DISABLED`. Records `AgentUnassigned` with the
        cause TRANSFERRED if the room had an agent, then `RoomTransferred`, then `AgentAssigned` or `RoomQueued`.
        """
        room = await rooms.transfer_room(
            info.context.mutation(input),
            room_id=ids.ROOM.parse(input.room_id, "roomId"),
            to_agent_id=ids.AGENT.parse_optional(input.to.agent_id, "to.agentId"),
            to_department_id=ids.DEPARTMENT.parse_optional(input.to.department_id, "to.departmentId"),
            comment=input.comment,
            if_revision=input.if_revision,
        )
        return TransferRoomPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)

    @mutation_field(rooms.hold_room)
    async def hold_room(self, info: Info, input: Input[HoldRoomInput]) -> HoldRoomPayload | None:
        """Puts an ASSIGNED room on hold. The room keeps its agent but no longer counts towards the agent's limit.

        `ROOM_NOT_ASSIGNED`, `ROOM_ON_HOLD` if the room is on hold already, `ROOM_CLOSED`. Records `RoomHeld`.
        """
        room = await rooms.hold_room(
            info.context.mutation(input),
            room_id=ids.ROOM.parse(input.room_id, "roomId"),
            comment=input.comment,
            if_revision=input.if_revision,
        )
        return HoldRoomPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)

    @mutation_field(rooms.resume_room)
    async def resume_room(self, info: Info, input: Input[ResumeRoomInput]) -> ResumeRoomPayload | None:
        """Resumes a room that is ON_HOLD. Its agent serves it again, also if the agent is offline.

        `ROOM_NOT_ON_HOLD`, `ROOM_CLOSED`. `AGENT_NOT_ROUTABLE` if the agent is AT_CAPACITY or INACTIVE. Records
        `RoomResumed`.
        """
        room = await rooms.resume_room(
            info.context.mutation(input),
            room_id=ids.ROOM.parse(input.room_id, "roomId"),
            if_revision=input.if_revision,
        )
        return ResumeRoomPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)

    @mutation_field(rooms.update_room)
    async def update_room(self, info: Info, input: Input[UpdateRoomInput]) -> UpdateRoomPayload | None:
        """Changes the subject, priority, tags, custom fields and agent filter of a room, atomically. `ROOM_CLOSED` if
        the room is closed.

        Records one `RoomUpdated` that names the changed fields, unless nothing changed.
        """
        room = await rooms.update_room(
            info.context.mutation(input),
            room_id=ids.ROOM.parse(input.room_id, "roomId"),
            subject=or_unset(input.subject),
            priority=or_unset(input.priority),
            tags=or_unset(input.tags),
            custom_fields=assignments(input.custom_fields),
            increment=increments(input.increment),
            agent_filter=(
                msgspec.UNSET if input.agent_filter is strawberry.UNSET else given_agent_filter(input.agent_filter)
            ),
            agent_filter_seconds=or_unset(input.agent_filter_seconds),
            if_revision=input.if_revision,
        )
        return UpdateRoomPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)

    @mutation_field(rooms.close_room, visitors=True)
    async def close_room(self, info: Info, input: Input[CloseRoomInput]) -> CloseRoomPayload | None:
        """Closes a room of any other status. `ROOM_CLOSED` if it is closed already.

        Records `AgentUnassigned` with the cause CLOSED if the room had an agent, then `RoomClosed`.
        """
        room = await rooms.close_room(
            info.context.mutation(input),
            room_id=ids.ROOM.parse(input.room_id, "roomId"),
            comment=input.comment,
            tags=input.tags or (),
            custom_fields=assignments(input.custom_fields),
            if_revision=input.if_revision,
        )
        return CloseRoomPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)
