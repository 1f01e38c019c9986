"""Hands a room over to people: decides once where to, tells the visitor, leaves a note, and moves the room.

A room that is handed over is restricted to people until a person has served it, so that no bot gets it back by routing.
"""

import logging
from typing import Any

import msgspec

from examples.bots.answers import Answer, Reply
from examples.bots.rooms import RoomNow, Rooms
from examples.bots.settings import AfterWait, BotSettings, WhenNobody
from examples.bots.state import Decision, Outcome, RoomState
from switchboard_client.errors import DepartmentDisabled
from switchboard_client.types import Department

log = logging.getLogger(__name__)
replace = msgspec.structs.replace

#: Reasons, as the note names them.
REQUESTED = "the visitor or the bot asked for a person"
FALLBACKS = "the bot did not understand the visitor several times"
TECHNICAL = "the bot has a technical problem"

ONLY_PEOPLE = {"not": {"hasRoles": ["bot"]}}
#: How many of the visitor's messages, and how much of each, the note repeats.
NOTE_MESSAGES = 5
NOTE_CHARACTERS = 300


class HandOvers:
    """Hands rooms over as the settings say."""

    def __init__(self, rooms: Rooms, settings: BotSettings, engine_name: str) -> None:
        self._rooms = rooms
        self._settings = settings
        self._engine_name = engine_name

    async def hand_over(self, room: RoomNow, state: RoomState, version: int, reason: str) -> tuple[RoomState, int]:
        """Hand the room over for this reason, or do what the settings say if nobody is there.

        Raises BotNoLongerServes.
        """
        assert state.turn is not None
        assert state.turn.answer is not None
        answer = state.turn.answer
        decision = state.turn.decision
        if decision is None:
            decision = await self._decide(room, answer, reason)
            state = _with_decision(state, decision, room)
            version = await self._rooms.store(room.id, state, version)
        await self._carry_out(room, state, decision, answer)
        return state, version

    async def _decide(self, room: RoomNow, answer: Answer, reason: str) -> Decision:
        own = room.department.id if room.department is not None else None
        target = await self._target(answer) or own
        attended = await self._rooms.is_attended(target)
        if attended or self._settings.when_nobody is WhenNobody.QUEUE:
            # A transfer within the department is an unassignment: routing passes over the bot then.
            outcome = Outcome.UNASSIGN if target is None or target == own else Outcome.TRANSFER
        else:
            outcome = Outcome.STAY if self._settings.when_nobody is WhenNobody.STAY else Outcome.CLOSE
        return Decision(reason, outcome, target, attended)

    async def _target(self, answer: Answer) -> str | None:
        """The id of the department that the bot or the settings name, if it takes rooms."""
        departments = await self._rooms.api.departments() or ()
        for wanted in (answer.hand_over.department if answer.hand_over else None, self._settings.hand_over_department):
            if wanted is None:
                continue
            if (found := find_department(departments, wanted)) is not None and found.enabled:
                return found.id
            log.warning("There is no enabled department %r to hand over to.", wanted)
        return None

    async def _carry_out(self, room: RoomNow, state: RoomState, decision: Decision, answer: Answer) -> None:
        assert state.turn is not None
        key = f"{state.turn.id}:handover"
        if text := self._text(decision, answer):
            await self._rooms.say(room.id, Reply(text), f"{key}:text")
        if decision.outcome is Outcome.STAY:
            if decision.reason == FALLBACKS:
                await self._rooms.reset_fallbacks(room.id, f"{key}:reset")
            return
        await self._rooms.note(room.id, await self._note(room, state, decision, answer), f"{key}:note")
        if decision.outcome is Outcome.CLOSE:
            await self._rooms.close(room.id, "Nobody was available.", f"{key}:close")
            return
        if self._settings.wait_seconds and (state.returns == 0 or self._settings.after_wait is not AfterWait.RETURN):
            await self._rooms.start_waiting_timer(room.id, self._settings.wait_seconds, f"{key}:timer")
        await self._rooms.restrict_to(room.id, _restricted(state.filter_before), f"{key}:restrict")
        comment = f"Handed over by {self._settings.display_name}: {decision.reason}."
        if decision.outcome is Outcome.TRANSFER and decision.department_id is not None:
            try:
                await self._rooms.transfer(room.id, decision.department_id, comment, f"{key}:move")
                return
            except DepartmentDisabled:
                log.warning("The department %s was disabled; the room goes to its own queue.", decision.department_id)
        await self._rooms.unassign(room.id, comment, f"{key}:move-back")

    def _text(self, decision: Decision, answer: Answer) -> str:
        """What the visitor is told."""
        texts = self._settings.texts
        technical = decision.reason == TECHNICAL
        if decision.outcome in (Outcome.STAY, Outcome.CLOSE):
            return texts.technical_nobody if technical else texts.nobody
        if not decision.attended:
            return texts.queued
        if technical:
            return texts.technical
        # A bot that announces the hand-over itself needs no second announcement.
        return texts.hand_over if decision.reason == FALLBACKS or not answer.replies else ""

    async def _note(self, room: RoomNow, state: RoomState, decision: Decision, answer: Answer) -> str:
        """The summary for the agent."""
        lines = [f"Handed over by {self._settings.display_name} ({self._engine_name}): {decision.reason}."]
        if room.visitor.name:
            lines.append(f"Visitor: {room.visitor.name}")
        if answer.intent:
            lines.append(f"Intent: {answer.intent}")
        if answer.hand_over is not None and answer.hand_over.note:
            lines.append(f"Note of the bot: {answer.hand_over.note}")
        lines += [f"{name}: {_shortened(value)}" for name, value in answer.slots.items()]
        messages = await self._rooms.messages(room.id)
        said = [one for one in messages if one.is_of_visitor and one.number <= state.number][-NOTE_MESSAGES:]
        if said:
            lines.append("The visitor's last messages:")
            lines += [f"- {_shortened(one.text)}" for one in said]
        return "\n".join(lines)[:10_000]


def find_department(departments: tuple[Department, ...], wanted: str) -> Department | None:
    """The department with this id or, without case, this name."""
    return next(
        (one for one in departments if one.id == wanted),
        next((one for one in departments if one.name.casefold() == wanted.casefold()), None),
    )


def _with_decision(state: RoomState, decision: Decision, room: RoomNow) -> RoomState:
    assert state.turn is not None
    state = replace(state, turn=replace(state.turn, decision=decision))
    if decision.outcome in (Outcome.TRANSFER, Outcome.UNASSIGN) and not state.restricted:
        state = replace(state, restricted=True, filter_before=room.agent_filter)
    return state


def _restricted(before: dict[str, Any] | None) -> dict[str, Any]:
    return ONLY_PEOPLE if before is None else {"and": [before, ONLY_PEOPLE]}


def _shortened(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= NOTE_CHARACTERS else f"{text[:NOTE_CHARACTERS]}…"
