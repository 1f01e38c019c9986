"""The app: what it does at each event of Switchboard."""

import asyncio
import logging
from collections.abc import Coroutine

from examples.salesforce_chat.outgoing import VisitorMessage, forward
from examples.salesforce_chat.rooms import moment_text, text_with_files
from examples.salesforce_chat.salesforce.api import SalesforceApi
from examples.salesforce_chat.salesforce.backoff import Backoff
from examples.salesforce_chat.session import Services, Session
from examples.salesforce_chat.settings import Settings
from examples.salesforce_chat.setup import prepare
from examples.salesforce_chat.timers import IDLE_TIMER, WAIT_TIMER, elapsed
from switchboard_client import Api, App
from switchboard_client.events import AgentAssigned, AgentUnassigned, Event, MessageSent, RoomEvent, TimerElapsed
from switchboard_client.inputs import RoomFilter
from switchboard_client.types import ActorType, Audience, Signal, SignalKind

_log = logging.getLogger(__name__)
CONSUMER = "salesforce-chat"
#: How many rooms are taken up at the same time after a start.
RESUMED_AT_ONCE = 8
#: How many signals of visitors are passed on at the same time. More are left out: a signal is worth nothing later.
SIGNALS_AT_ONCE = 20


class Bridge:
    """All sessions of this process, by room."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._sessions: dict[str, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def register(self, app: App) -> None:
        app.on(AgentAssigned)(self.on_assigned)
        app.on(AgentUnassigned)(self.on_unassigned)
        app.on(MessageSent)(self.on_message)
        app.on(TimerElapsed)(self.on_timer)
        app.dead_letter(self.on_failure)

    def _session(self, room_id: str) -> Session:
        return self._sessions.setdefault(room_id, Session(self._services, room_id))

    def _serves(self, event: RoomEvent) -> bool:
        served_by = event.room.served_by
        return served_by is not None and served_by.user_id == self._services.switchboard.agent_user_id

    # ------------------------------------------------------------ events

    async def on_assigned(self, event: AgentAssigned, api: Api) -> None:
        if event.agent.user_id == self._services.switchboard.agent_user_id:
            await self._session(event.room.room_id).open(moment_text(event.room.assigned_at), event)

    async def on_unassigned(self, event: AgentUnassigned, api: Api) -> None:
        if event.agent.user_id != self._services.switchboard.agent_user_id:
            return
        session = self._session(event.room.room_id)
        await session.end(event.room_revision, event)
        if not session.is_open and not session.lock.locked():
            del self._sessions[event.room.room_id]

    async def on_message(self, event: MessageSent, api: Api) -> None:
        message = event.message
        if message.sender.type == ActorType.VISITOR and message.audience == Audience.EVERYONE and self._serves(event):
            text = text_with_files(message.text, message.attachments)
            if text:
                await forward(
                    self._session(event.room.room_id), VisitorMessage(message.message_id, message.number, text), event
                )

    async def on_timer(self, event: TimerElapsed, api: Api) -> None:
        data = event.data if isinstance(event.data, dict) else {}
        if event.name in (WAIT_TIMER, IDLE_TIMER) and self._serves(event):
            session = self._session(event.room.room_id)
            await elapsed(session, event.name, str(data.get("conversation")), event.occurred_at, event)

    async def on_failure(self, event: Event, error: Exception, api: Api) -> None:
        """An event cannot be handled: give the room to somebody who can."""
        _log.error("event %s of %s fails: %s", event.type, event.subject_id, error, exc_info=error)
        reason = f"The bridge to Salesforce failed: {error}"
        session = self._sessions.get(event.subject_id)
        if session is not None and session.is_open:
            await session.give_back(reason)
        elif isinstance(event, AgentAssigned) and self._serves(event):
            # No conversation is open, and so there is no timer that would give the room back.
            await self._session(event.room.room_id).give_back_unopened(moment_text(event.room.assigned_at), reason)

    # ------------------------------------------------------------ at the start and the end

    async def resume(self) -> None:
        """Follow the conversations of all rooms that the bridge's agent serves."""
        slots, switchboard = asyncio.Semaphore(RESUMED_AT_ONCE), self._services.switchboard

        async def resume_one(room_id: str) -> None:
            async with slots:
                await self._session(room_id).open(None)

        async for room_id in switchboard.rooms.served_by(switchboard.agent_id):
            self._spawn(resume_one(room_id), f"resume {room_id}")

    async def pass_signals(self, api: Api) -> None:
        """Pass on what visitors signal, for ever. Nothing depends on a signal, so a failure ends nothing else."""
        backoff = Backoff(first=1, longest=60)
        while True:
            try:
                await self._read_signals(api)
            except Exception:
                _log.exception("signals of visitors cannot be read, and are read again after a pause")
            await backoff.pause()

    async def _read_signals(self, api: Api) -> None:
        where: RoomFilter = {"servedById": self._services.switchboard.agent_id}
        async for signal in api.signals_live(where=where):
            busy = sum(task.get_name().startswith("signal") for task in self._tasks)
            if signal.sender.type == ActorType.VISITOR and busy < SIGNALS_AT_ONCE:
                self._spawn(self._pass_signal(signal), f"signal {signal.room_id}")

    async def _pass_signal(self, signal: Signal) -> None:
        session = self._sessions.get(signal.room_id)
        if session is None or session.calls is None or not session.is_open:
            return
        match signal.kind:
            case SignalKind.TYPING | SignalKind.STOPPED_TYPING:
                await session.calls.set_typing(started=signal.kind == SignalKind.TYPING)
            case SignalKind.READ if signal.message_id is not None:
                entry_id = await self._services.switchboard.rooms.entry_of(signal.message_id)
                if entry_id is not None:
                    await session.calls.acknowledge(entry_id, "Read")

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s fails: %s", task.get_name(), error, exc_info=error)

    async def stop(self) -> None:
        """Stop following. The conversations stay, and the next process goes on with them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(session.stop() for session in self._sessions.values()))


async def serve(settings: Settings, app: App) -> None:
    """Serve until the app is stopped. Raises BadSetting."""
    salesforce = SalesforceApi(settings.deployment, settings.identity_key, settings.silence_seconds)
    try:
        await app.ensure_consumer()  # before the agent can get a room
        bridge = Bridge(Services(settings, salesforce, await prepare(app.api, settings)))
        bridge.register(app)
        signals = asyncio.create_task(bridge.pass_signals(app.api))
        try:
            await bridge.resume()
            await app.serve()
        finally:
            signals.cancel()
            await asyncio.gather(signals, return_exceptions=True)
            await bridge.stop()
    finally:
        await app.close()
        await salesforce.aclose()
