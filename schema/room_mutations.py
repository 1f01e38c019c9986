"""The changes of a room, from start to close."""

from resolvers import rooms
from schema.base.fields import api_type, mutation_field, or_none, or_unset
from schema.base.mutation_types import Input
from schema.custom_fields import assignments, increments
from schema.execution.context import Info
from schema.room_inputs import (
    AssignAgentInput,
    AssignAgentPayload,
    CloseRoomInput,
    CloseRoomPayload,
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
    """Changing rooms."""

    @mutation_field(rooms.start_room)
    async def start_room(self, info: Info, input: Input[StartRoomInput]) -> StartRoomPayload | None:
        """Starts a conversation, and finds an agent for it by the rule of its department or of the deployment.

        Recorded as `RoomStarted`, followed at once by `AgentAssigned` with the cause ROUTED, or by `RoomQueued`.
        """
        room = await rooms.start_room(
            info.context.mutation(input.client_mutation_id),
            visitor_token=input.visitor_token,
            department_id=input.department_id,
            source=input.source,
            subject=input.subject,
            priority=input.priority,
            tags=input.tags or (),
            custom_fields=assignments(input.custom_fields),
        )
        return StartRoomPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)

    @mutation_field(rooms.assign_agent)
    async def assign_agent(self, info: Info, input: Input[AssignAgentInput]) -> AssignAgentPayload | None:
        """Gives a room that nobody serves to an agent. However many try at once, one wins.

        `ROOM_ALREADY_ASSIGNED`, with the winner as `servedBy`, when somebody serves it or keeps it on hold;
        `ROOM_CLOSED`. Recorded as `AgentAssigned` with the cause ASSIGNED.
        """
        room = await rooms.assign_agent(
            info.context.mutation(input.client_mutation_id),
            room_id=input.room_id,
            agent_id=input.agent_id,
            if_revision=input.if_revision,
        )
        return AssignAgentPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)

    @mutation_field(rooms.take_room)
    async def take_room(self, info: Info, input: Input[TakeRoomInput]) -> TakeRoomPayload | None:
        """Gives a room that nobody serves to you. For signed-in agents; `FORBIDDEN` for an app.

        `NOT_AN_AGENT` and `AGENT_NOT_ROUTABLE` speak of you; otherwise as assignAgent. Recorded as `AgentAssigned`
        with the cause TAKEN.
        """
        room = await rooms.take_room(
            info.context.mutation(input.client_mutation_id), room_id=input.room_id, if_revision=input.if_revision
        )
        return TakeRoomPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)

    @mutation_field(rooms.unassign_agent)
    async def unassign_agent(self, info: Info, input: Input[UnassignAgentInput]) -> UnassignAgentPayload | None:
        """Takes a room from its agent and puts it back into the queue, from where it may be routed at once.

        That one routing, and only that, passes over the agent it was taken from. `ROOM_NOT_ASSIGNED` when nobody
        serves it; `ROOM_CLOSED`. Recorded as `AgentUnassigned` with the cause UNASSIGNED, then `RoomQueued` or
        `AgentAssigned`.
        """
        room = await rooms.unassign_agent(
            info.context.mutation(input.client_mutation_id),
            room_id=input.room_id,
            comment=input.comment,
            if_revision=input.if_revision,
        )
        return UnassignAgentPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)

    @mutation_field(rooms.transfer_room)
    async def transfer_room(self, info: Info, input: Input[TransferRoomInput]) -> TransferRoomPayload | None:
        """Passes a room that is not closed on, to an agent or to a department.

        `ROOM_CLOSED`, `AGENT_NOT_ROUTABLE`, `NOT_AN_AGENT`, `DEPARTMENT_DISABLED`. Recorded as `AgentUnassigned` with
        the cause TRANSFERRED if somebody served it, `RoomTransferred`, then `AgentAssigned` or `RoomQueued`.
        """
        room = await rooms.transfer_room(
            info.context.mutation(input.client_mutation_id),
            room_id=input.room_id,
            to_agent_id=or_none(input.to.agent_id),
            to_department_id=or_none(input.to.department_id),
            comment=input.comment,
            if_revision=input.if_revision,
        )
        return TransferRoomPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)

    @mutation_field(rooms.hold_room)
    async def hold_room(self, info: Info, input: Input[HoldRoomInput]) -> HoldRoomPayload | None:
        """Puts a room that is ASSIGNED on hold. It keeps its agent, and makes way for another room of that agent.

        `ROOM_NOT_ASSIGNED`, `ROOM_ON_HOLD` when it is already, `ROOM_CLOSED`. Recorded as `RoomHeld`.
        """
        room = await rooms.hold_room(
            info.context.mutation(input.client_mutation_id),
            room_id=input.room_id,
            comment=input.comment,
            if_revision=input.if_revision,
        )
        return HoldRoomPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)

    @mutation_field(rooms.resume_room)
    async def resume_room(self, info: Info, input: Input[ResumeRoomInput]) -> ResumeRoomPayload | None:
        """Takes a room up again that is ON_HOLD, with the agent that kept it, offline or not.

        `ROOM_NOT_ON_HOLD`, `ROOM_CLOSED`; `AGENT_NOT_ROUTABLE` when the agent is AT_CAPACITY or INACTIVE. Recorded as
        `RoomResumed`.
        """
        room = await rooms.resume_room(
            info.context.mutation(input.client_mutation_id), room_id=input.room_id, if_revision=input.if_revision
        )
        return ResumeRoomPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)

    @mutation_field(rooms.update_room)
    async def update_room(self, info: Info, input: Input[UpdateRoomInput]) -> UpdateRoomPayload | None:
        """Changes what is known of a room, in one step. `ROOM_CLOSED` when it is over.

        Recorded as one `RoomUpdated` that names what changed, unless nothing did.
        """
        room = await rooms.update_room(
            info.context.mutation(input.client_mutation_id),
            room_id=input.room_id,
            subject=or_unset(input.subject),
            priority=or_unset(input.priority),
            tags=or_unset(input.tags),
            custom_fields=assignments(input.custom_fields),
            increment=increments(input.increment),
            if_revision=input.if_revision,
        )
        return UpdateRoomPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)

    @mutation_field(rooms.close_room)
    async def close_room(self, info: Info, input: Input[CloseRoomInput]) -> CloseRoomPayload | None:
        """Ends a conversation, whatever its status; `ROOM_CLOSED` when it is over already.

        Recorded as `AgentUnassigned` with the cause CLOSED if somebody served it, then `RoomClosed`, always its last
        event.
        """
        room = await rooms.close_room(
            info.context.mutation(input.client_mutation_id),
            room_id=input.room_id,
            comment=input.comment,
            tags=input.tags or (),
            custom_fields=assignments(input.custom_fields),
            if_revision=input.if_revision,
        )
        return CloseRoomPayload(room=Room.from_mutation(room, info), client_mutation_id=input.client_mutation_id)
