"""Traffic in the sample data: conversations start, are answered and are closed for some minutes."""

import asyncio
from dataclasses import dataclass
from random import Random

from resolvers import rooms
from resolvers.context import Context
from resolvers.samples import conversations, staff
from resolvers.samples.cast import Cast
from resolvers.samples.creation import Report
from resolvers.samples.scripts import SCRIPTS, Script
from storage import apps, departments, samples, users, visitors
from storage import rooms as stored_rooms
from storage.custom_fields import definitions
from storage.errors import SwitchboardError
from storage.message_records import Message
from storage.records import Room, RoomStatus, RoutingMethod, User, Visitor
from storage.samples import SampleKind, SampleRun

TICK_SECONDS = 0.5
#: Seconds from one start of a conversation to the next one, and between the steps of one.
START_SECONDS = (3.0, 9.0)
STEP_SECONDS = (3.0, 15.0)


@dataclass(slots=True)
class _Chat:
    """A conversation that goes on."""

    room_id: str
    visitor: Visitor
    script: Script
    due: float
    position: int
    offer: Message | None = None


async def load_cast(context: Context, run: SampleRun) -> Cast:
    """The cast of sample data that exist, as far as their names are still those of staff.py."""
    reader = context.reader

    async def ids(kind: SampleKind) -> list[str]:
        return await samples.list_ids(reader, kind)

    by_name = {one.name: one for one in (await departments.get_many(reader, await ids(SampleKind.DEPARTMENT))).values()}
    fields = (await definitions.get_many(reader, await ids(SampleKind.FIELD))).values()
    return Cast(
        context=context,
        run=run,
        departments={
            key: by_name[values["name"]] for key, values in staff.DEPARTMENTS.items() if values["name"] in by_name
        },
        fields={
            key: next((one.key for one in fields if one.label == values["label"]), key)
            for key, values in staff.FIELDS.items()
        },
        agents={one.name or "": one for one in (await users.get_many(reader, await ids(SampleKind.USER))).values()},
        visitors=list((await visitors.get_many(reader, await ids(SampleKind.VISITOR))).values()),
        apps={one.name: one for one in (await apps.get_many(reader, await ids(SampleKind.APP))).values()},
    ).in_present()


async def run_traffic(
    cast: Cast, report: Report, *, seconds: float, pace: float = 1.0, choices: Random | None = None
) -> int:
    """Continue the open conversations and start others for so long. Returns how many were started.

    `pace` multiplies all pauses. A conversation that a person has taken over is left alone.
    """
    traffic = _Traffic(cast, choices or Random(), pace)  # noqa: S311 - nothing secret
    await traffic.adopt()
    await report(f"traffic for {seconds / 60:g} minutes, which Ctrl-C ends")
    now = asyncio.get_running_loop().time
    end = now() + seconds
    while now() < end:
        await traffic.tick(now())
        await asyncio.sleep(min(TICK_SECONDS * pace, max(0.0, end - now())))
    return traffic.started


class _Traffic:
    def __init__(self, cast: Cast, choices: Random, pace: float) -> None:
        self._cast = cast
        self._choices = choices
        self._pace = pace
        self._chats: list[_Chat] = []
        self._next_start = 0.0
        self._scripts = [script for script in SCRIPTS if script.department in cast.departments]
        self.started = 0

    async def adopt(self) -> None:
        """Continue the open conversations of the sample data."""
        ids = await samples.list_ids(self._cast.context.reader, SampleKind.ROOM)
        known = {visitor.id: visitor for visitor in self._cast.visitors}
        now = asyncio.get_running_loop().time()
        for room in (await stored_rooms.get_many(self._cast.context.reader, ids)).values():
            script = next((one for one in self._scripts if one.subject == room.subject), None)
            if room.status is not RoomStatus.CLOSED and script is not None and room.visitor_id in known:
                due = now + self._pace * self._choices.uniform(0, 60)
                position = count_lines(script, room.message_count)
                self._chats.append(_Chat(room.id, known[room.visitor_id], script, due, position))

    async def tick(self, now: float) -> None:
        """Do what is due. A refusal, as for a room that somebody has closed, ends the conversation."""
        if now >= self._next_start and self._scripts:
            self._next_start = now + self._pause(*START_SECONDS)
            await self._start(now)
        for chat in [one for one in self._chats if one.due <= now]:
            chat.due = now + self._pause(*STEP_SECONDS)
            try:
                going_on = await self._continue(chat)
            except SwitchboardError:
                going_on = False
            if not going_on:
                self._chats.remove(chat)

    def _pause(self, least: float, most: float) -> float:
        return self._pace * self._choices.uniform(least, most)

    async def _start(self, now: float) -> None:
        script, visitor = self._choices.choice(self._scripts), self._choices.choice(self._cast.visitors)
        try:
            room = await conversations.start(self._cast, script, visitor, self._choices)
        except SwitchboardError:  # a person has disabled the department, or made a field required
            return
        self.started += 1
        self._chats.append(_Chat(room.id, visitor, script, now + self._pause(1, 3), 0))

    async def _continue(self, chat: _Chat) -> bool:
        """Do the next step. Returns whether there is another one."""
        room = await stored_rooms.find(self._cast.context.reader, chat.room_id)
        if room is None or room.status is RoomStatus.CLOSED:
            return False
        if chat.position == 0:
            return await self._say(chat, room, None)
        if room.status is RoomStatus.QUEUED:
            return await self._serve(room)
        agent = next((one for one in self._cast.agents.values() if one.id == room.served_by_id), None)
        if agent is None:
            return False
        if room.status is RoomStatus.ON_HOLD:
            await rooms.resume_room(self._cast.as_agent(agent), room_id=room.id)
            return True
        if chat.offer is not None:
            await conversations.choose(self._cast, room, chat.offer, chat.visitor)
            chat.offer = None
            return True
        if chat.position < len(chat.script.lines):
            return await self._say(chat, room, agent)
        await conversations.close(self._cast, room, agent, chat.script, self._choices)
        return False

    async def _say(self, chat: _Chat, room: Room, agent: User | None) -> bool:
        sent = await conversations.say(self._cast, room, chat.script.lines[chat.position], chat.visitor, agent)
        chat.position += 1
        chat.offer = sent if sent.choices else None
        return True

    async def _serve(self, room: Room) -> bool:
        """Give the room an agent, unless routing does."""
        department = next((one for one in self._cast.departments.values() if one.id == room.department_id), None)
        if department is None or department.routing not in (RoutingMethod.MANUAL, RoutingMethod.EXTERNAL):
            return True
        current = await users.get_many(self._cast.context.reader, [one.id for one in self._cast.agents.values()])
        if free := [one for one in current.values() if _serves(one, department.id)]:
            await conversations.take(self._cast, room, self._choices.choice(free))
        return True


def count_lines(script: Script, messages: int) -> int:
    """How many lines of the script these messages are. After a line with choices, one message is the answer."""
    lines = 0
    for line in script.lines:
        if messages <= 0:
            break
        lines += 1
        messages -= 2 if line.choices else 1
    return lines


def _serves(user: User, department_id: str) -> bool:
    profile = user.agent
    return (
        profile is not None
        and department_id in profile.department_ids
        and (profile.max_rooms is None or profile.open_room_count < profile.max_rooms)
    )
