"""The handlers of a bot app: which events it reacts to, and how."""

import logging
from collections.abc import Awaitable, Callable

import msgspec

from examples.bots.engine import Engine, EngineFailed
from examples.bots.handover import HandOvers
from examples.bots.health import EngineHealth
from examples.bots.rooms import WAITING_TIMER, BotNoLongerServes, Chosen, RoomNow, Rooms
from examples.bots.settings import AfterWait, BotSettings
from examples.bots.state import RoomState, decode
from examples.bots.turns import Item, Turns
from switchboard_client import Api, App
from switchboard_client.errors import StaleVersion
from switchboard_client.events import AgentAssigned, Event, MessageSent, TimerElapsed
from switchboard_client.inputs import RoomFilter
from switchboard_client.types import ActorType, Audience, RoomStatus

log = logging.getLogger(__name__)
replace = msgspec.structs.replace


class Bot:
    """Reacts to the events of the rooms that the bot serves or served last."""

    def __init__(
        self, rooms: Rooms, engine: Engine, settings: BotSettings, health: EngineHealth, *, welcome: str | None
    ) -> None:
        self._rooms = rooms
        self._engine = engine
        self._settings = settings
        self._welcome = welcome
        self._turns = Turns(rooms, engine, HandOvers(rooms, settings, engine.name), settings, health)

    def register(self, app: App) -> None:
        """Register the handlers."""
        where: RoomFilter = {"or": [{"servedById": self._rooms.agent_id}, {"lastServedById": self._rooms.agent_id}]}
        app.on(MessageSent, where=where)(self._on_message)
        app.on(AgentAssigned, where=where)(self._on_assigned)
        app.on(TimerElapsed, where=where)(self._on_timer)
        app.dead_letter(self._on_dead_letter)

    async def _on_message(self, event: MessageSent, api: Api) -> None:
        """The visitor has said something."""
        if (item := await self._item_of(event)) is not None:
            await self._turns.take(event.room.room_id, item, ack=event)

    async def _item_of(self, event: MessageSent) -> Item | None:
        message = event.message
        if message.sender.type != ActorType.VISITOR or message.audience != Audience.EVERYONE:
            return None
        chosen = message.choice
        choice = Chosen(chosen.message_id, chosen.choice_id) if chosen is not None else None
        return Item(message.message_id, message.number, await self._rooms.payload(message.text, choice))

    async def _on_assigned(self, event: AgentAssigned, api: Api) -> None:
        """The bot has got a room, or a person has."""
        room = await self._rooms.read(event.room.room_id)
        if room is None or room.status == RoomStatus.CLOSED:
            return
        if event.agent.agent_id != self._rooms.agent_id:
            if "bot" not in event.agent.user.roles:
                await self._lift_restriction(room, event)
            return
        if not self._rooms.serves(room):
            return
        await self._lift_restriction(room, event)
        try:
            await self._engine.begin(room.id)
        except EngineFailed as error:
            log.warning("%s could not prepare %s: %s", self._engine.name, room.id, error)
        state = decode(room.state.value) if room.state else RoomState()
        waiting = await self._rooms.unanswered(room, state)
        interrupted = state.turn is not None and state.turn.id == event.id and not state.is_handled(event.id, 0)
        if self._welcome is not None and (interrupted or (not waiting and not state.greeted)):
            await self._turns.take(room.id, Item(event.id, 0, self._welcome), ack=event)
        for message in waiting:
            text = await self._rooms.payload(message.text, message.choice)
            await self._turns.take(room.id, Item(message.id, message.number, text))

    async def _lift_restriction(self, room: RoomNow, event: Event) -> None:
        """Let routing offer the room to bots again, once a person has served it."""
        state = decode(room.state.value) if room.state else RoomState()
        if room.state is None or not state.restricted:
            return
        await self._rooms.restrict_to(room.id, state.filter_before, f"{event.id}:lift")
        await self._rooms.store(room.id, replace(state, restricted=False, filter_before=None), room.state.version)

    async def _on_timer(self, event: TimerElapsed, api: Api) -> None:
        """Nobody has taken a room in time that was handed over."""
        room = await self._rooms.read(event.room.room_id)
        if event.name != WAITING_TIMER or room is None or room.status != RoomStatus.QUEUED or room.state is None:
            return
        texts, key = self._settings.texts, event.id
        state = decode(room.state.value)
        try:
            if self._settings.after_wait is AfterWait.CLOSE:
                await self._say(room.id, texts.nobody, f"{key}:text")
                await self._rooms.close_as_app(room.id, "Nobody was available.", f"{key}:close")
            elif self._settings.after_wait is AfterWait.RETURN and (state.returns == 0 or state.return_event == key):
                # Counted first: a room is returned by one event at most, however often that is tried.
                if state.returns == 0:
                    counted = replace(state, returns=1, return_event=key)
                    await self._rooms.store(room.id, counted, room.state.version)
                await self._say(room.id, texts.returned, f"{key}:text")
                await self._rooms.take_back(room.id, f"{key}:return")
            else:
                await self._say(room.id, texts.still_waiting, f"{key}:text")
        except BotNoLongerServes:
            log.info("%s was taken or closed meanwhile.", room.id)

    async def _say(self, room_id: str, text: str, key: str) -> None:
        if text:
            await self._rooms.say_as_app(room_id, text, key)

    async def say_unasked(self, room_id: str, say: Callable[[], Awaitable[None]]) -> None:
        """Send what the engine says by itself, if the bot serves the room."""
        room = await self._rooms.read(room_id)
        if room is None or not self._rooms.serves(room):
            log.info("A message of the bot for %s is left out: the bot does not serve it.", room_id)
            return
        await say()

    async def _on_dead_letter(self, event: Event, error: Exception, api: Api) -> None:
        """No attempt succeeded: a person gets the room."""
        log.error("Event %s (%s) could not be handled.", event.sequence, type(event).__name__, exc_info=error)
        if not isinstance(event, MessageSent | AgentAssigned):
            return
        number = event.message.number if isinstance(event, MessageSent) else 0
        try:
            await self._turns.give_up(event.room.room_id, Item(event.id, number, ""))
        except (BotNoLongerServes, StaleVersion):
            log.info("%s was taken over meanwhile.", event.room.room_id)
