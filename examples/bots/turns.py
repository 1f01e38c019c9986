"""One turn: the bot's reaction to a message or an event, carried out once, whichever process is killed when.

Before the engine is asked, the turn is stored in the room's app data; so is the answer, before anything of it is done.
Every effect in Switchboard has an id derived from the turn, so that repeating it changes nothing. The last write marks
the turn as done and acknowledges the event.
"""

import logging

import msgspec

from examples.bots.answers import Answer, Reply, bounded
from examples.bots.engine import Engine, EngineFailed, Said
from examples.bots.handover import FALLBACKS, REQUESTED, TECHNICAL, HandOvers
from examples.bots.health import EngineHealth
from examples.bots.rooms import BotNoLongerServes, RoomNow, Rooms
from examples.bots.settings import BotSettings, WhenUnknown
from examples.bots.state import Phase, RoomState, Turn, decode
from examples.bots.typing_signals import typing
from switchboard_client.events import Event
from switchboard_client.types import RoomStatus

log = logging.getLogger(__name__)
replace = msgspec.structs.replace


class Item(msgspec.Struct, frozen=True):
    """What the bot reacts to."""

    #: The id of the message or of the event.
    id: str
    #: The number of the message in the room. 0: it is an event.
    number: int
    text: str


class Turns:
    """Takes the turns of all rooms. The turns of one room must be taken one after the other."""

    def __init__(
        self, rooms: Rooms, engine: Engine, hand_overs: HandOvers, settings: BotSettings, health: EngineHealth
    ) -> None:
        self._rooms = rooms
        self._engine = engine
        self._hand_overs = hand_overs
        self._settings = settings
        self._health = health

    async def take(self, room_id: str, item: Item, *, ack: Event | None = None) -> None:
        """React to the item, unless that was done before or somebody else serves the room."""
        room = await self._rooms.read(room_id)
        if room is None:
            return
        state, version = (decode(room.state.value), room.state.version) if room.state else (RoomState(), 0)
        if state.is_handled(item.id, item.number):
            return
        resumed = state.turn is not None and state.turn.id == item.id
        if not self._rooms.serves(room):
            if resumed and room.status != RoomStatus.CLOSED:
                await self._finish(room, state, version, ack)
            return
        if not resumed:
            state = replace(state, turn=Turn(item.id, Phase.ASKED), number=max(state.number, item.number), greeted=True)
            version = await self._rooms.store(room_id, state, version)
        assert state.turn is not None
        if state.turn.phase is Phase.ASKED:
            answer = await self._ask(room, item, state, resumed=resumed)
            state = replace(state, turn=Turn(item.id, Phase.ANSWERED, answer), session=answer.session)
            version = await self._rooms.store(room_id, state, version)
        try:
            state, version = await self._carry_out(room, state, version)
        except BotNoLongerServes:
            log.info("Somebody else serves %s; the rest of the bot's answer is left out.", room_id)
        await self._finish(room, state, version, ack)

    async def give_up(self, room_id: str, item: Item) -> None:
        """Hand the room over because the item cannot be processed."""
        room = await self._rooms.read(room_id)
        if room is None or not self._rooms.serves(room):
            return
        state, version = (decode(room.state.value), room.state.version) if room.state else (RoomState(), 0)
        failed = Answer(failed=True, session=state.session)
        turn = Turn(f"{item.id}:given-up", Phase.ANSWERED, failed)
        state = replace(state, turn=turn, number=max(state.number, item.number), greeted=True)
        version = await self._rooms.store(room_id, state, version)
        state, version = await self._carry_out(room, state, version)
        await self._finish(room, state, version, None)

    async def _ask(self, room: RoomNow, item: Item, state: RoomState, *, resumed: bool) -> Answer:
        """The engine's answer. A failure is an answer, too."""
        if not item.text.strip():
            return Answer((Reply(self._settings.texts.unreadable),), fallback=True, session=state.session)
        failed = Answer(failed=True, session=state.session)
        if self._health.is_down:
            return failed
        said = Said(room.id, item.id, item.text, item.number == 0, state.session)
        try:
            async with typing(self._rooms, room.id):
                answer = await self._engine.recover(said) if resumed else None
                if answer is None:
                    answer = await self._engine.ask(said)
        except EngineFailed as error:
            log.warning("%s failed in %s: %s", self._engine.name, room.id, error)
            self._health.failed()
            return failed
        self._health.succeeded()
        return bounded(answer)

    async def _carry_out(self, room: RoomNow, state: RoomState, version: int) -> tuple[RoomState, int]:
        """Do what the answer asks for. Every step can be repeated."""
        assert state.turn is not None
        assert state.turn.answer is not None
        turn, answer = state.turn, state.turn.answer
        reason = await self._reason_to_hand_over(room, turn.id, answer)
        # The last "I did not understand" is left out when a person takes over because of it.
        replies = () if reason == FALLBACKS else answer.replies
        if answer.unknown and reason is None:
            replies = (Reply(self._settings.texts.repeat),)
        for number, reply in enumerate(reply for reply in replies if not reply.is_empty):
            await self._rooms.say(room.id, reply, f"{turn.id}:{number}")
        if reason is not None:
            return await self._hand_overs.hand_over(room, state, version, reason)
        if answer.close:
            await self._rooms.close(room.id, "The bot ended the conversation.", f"{turn.id}:close")
        return state, version

    async def _reason_to_hand_over(self, room: RoomNow, turn_id: str, answer: Answer) -> str | None:
        if answer.failed or (answer.unknown and self._settings.when_unknown is WhenUnknown.HAND_OVER):
            return TECHNICAL
        if answer.hand_over is not None:
            return REQUESTED
        if answer.fallback:
            count = await self._rooms.count_fallback(room.id, f"{turn_id}:fallback")
            return FALLBACKS if 0 < self._settings.max_fallbacks <= count else None
        if room.fallbacks and not answer.unknown:
            await self._rooms.reset_fallbacks(room.id, f"{turn_id}:understood")
        return None

    async def _finish(self, room: RoomNow, state: RoomState, version: int, ack: Event | None) -> None:
        """Mark the turn as done, and acknowledge the event with it."""
        assert state.turn is not None
        await self._rooms.store(room.id, replace(state, turn=Turn(state.turn.id, Phase.DONE)), version, ack=ack)
