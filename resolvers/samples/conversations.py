"""The sample conversations: their course until now, and one step after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from heapq import heappop, heappush
from random import Random

from resolvers import messages, rooms
from resolvers.samples import staff
from resolvers.samples.cast import Cast
from resolvers.samples.creation import AT_ONCE, Report, assignments, dice, run_together
from resolvers.samples.scripts import SCRIPTS, WAITING, Line, Script, Speaker
from storage.message_records import Audience, Choice, Message
from storage.records import Department, Room, RoomStatus, RoutingMethod, User, Visitor

#: The first conversation began so long ago.
HISTORY = timedelta(hours=3)
#: How many conversations are created between two reports.
REPORTED = 20
#: Steps so close to each other may be done in any order.
STEP_SECONDS = 20.0
#: Closed conversations of each agent.
CLOSED_EACH = 4
#: The conversations that are open at the end: who serves them, how many are served, and how many of those are on hold.
OPEN_SERVED = (
    ("Ada", 3, 0),
    ("Ben", 3, 0),
    ("Cleo", 2, 0),
    ("Dev", 4, 1),
    ("Elif", 3, 1),
    ("Finn", 1, 0),
    ("Answer Bot", 2, 0),
    ("Hana", 3, 1),
    ("Ines", 2, 0),
    ("Jonas", 2, 0),
    ("Kim", 1, 0),
)
#: The conversations that wait at the end, by department: for how many minutes each.
OPEN_WAITING = {"sales": (14.0, 9.5, 6.0, 3.2, 1.1), "billing": (11.0, 5.4, 2.0), "returns": (4.1, 2.3, 0.5)}
#: The queue of sales is longer than what its agents may serve, so their last conversations begin before it.
SALES_FULL_MINUTES = (22, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A conversation to create."""

    script: Script
    visitor: Visitor
    #: Minutes before now.
    start: float
    #: Who serves it. None: it stays in the queue.
    agent: User | None = None
    #: The messages that are sent. None: all, and then it is closed.
    messages: int | None = None
    hold: bool = False


class Conversation:
    """One conversation, which `advance` continues by one step."""

    def __init__(self, talk: Talk, choices: Random) -> None:
        self._talk = talk
        self._choices = choices
        self._room: Room | None = None
        self._sent: list[Message] = []
        self._offer: Message | None = None

    @property
    def is_new(self) -> bool:
        return self._room is None

    async def advance(self, cast: Cast) -> float | None:
        """Do the next step. Returns the seconds until the one after it, or None at the end."""
        talk, script = self._talk, self._talk.script
        if self._room is None:
            self._room = await self._start(cast)
            return 1.0 + self._choices.random()
        if not self._sent:
            await self._say(cast, script.lines[0])
            return self._choices.uniform(3, 8) if talk.agent is None or self._is_served() else self._wait(cast)
        if talk.agent is None:
            return await self._add_while_waiting(cast)
        if not self._is_served():
            self._room = await take(cast, self._room, talk.agent)
            return self._choices.uniform(5, 20)
        if self._offer is not None:
            await self._choose(cast)
            return self._choices.uniform(15, 40)
        if len(self._sent) < self._wanted():
            await self._say(cast, script.lines[len(self._sent)])
            return self._choices.uniform(20, 75)
        if talk.hold:
            await rooms.hold_room(cast.as_agent(talk.agent), room_id=self._room.id, comment="asks a colleague")
        elif talk.messages is None:
            await close(cast, self._room, talk.agent, script, self._choices)
        return None

    def _wanted(self) -> int:
        lines = len(self._talk.script.lines)
        return lines if self._talk.messages is None else min(self._talk.messages, lines)

    def _is_served(self) -> bool:
        return self._room is not None and self._room.status is RoomStatus.ASSIGNED

    def _wait(self, cast: Cast) -> float:
        """How long until the room gets its agent."""
        external = cast.departments[self._talk.script.department].routing is RoutingMethod.EXTERNAL
        return self._choices.uniform(2, 9) if external else self._choices.uniform(40, 240)

    async def _start(self, cast: Cast) -> Room:
        agent = self._talk.agent
        routed = cast.departments[self._talk.script.department].routing in _AUTOMATIC
        return await start(
            cast,
            self._talk.script,
            self._talk.visitor,
            self._choices,
            preferred=agent if routed else None,
        )

    async def _say(self, cast: Cast, line: Line) -> None:
        assert self._room is not None
        sent = await say(cast, self._room, line, self._talk.visitor, self._talk.agent)
        self._sent.append(sent)
        self._offer = sent if sent.choices else None

    async def _choose(self, cast: Cast) -> None:
        assert self._room is not None
        assert self._offer is not None
        await choose(cast, self._room, self._offer, self._talk.visitor)
        self._offer = None

    async def _add_while_waiting(self, cast: Cast) -> float | None:
        assert self._room is not None
        if self._talk.start < 2 or len(self._sent) > 1:
            return None
        text = self._choices.choice(WAITING)
        self._sent.append(await say(cast, self._room, Line(Speaker.VISITOR, text), self._talk.visitor, None))
        return None


_AUTOMATIC = frozenset({RoutingMethod.LEAST_LOADED, RoutingMethod.ROUND_ROBIN})


# ---------------------------------------------------------------- steps


async def start(
    cast: Cast, script: Script, visitor: Visitor, choices: Random, *, preferred: User | None = None
) -> Room:
    """Start the room of a script."""
    values: dict[str, object] = {"topic": script.topic}
    if script.products:
        values["products"] = list(script.products)
        values["orderNumber"] = f"{choices.choice('ABK')}-{choices.randrange(10_000, 99_999)}"
    if script.callback:
        values["callback"] = True
    if script.priority:
        values["answerBy"] = (cast.now + timedelta(hours=script.priority)).isoformat()
    return await rooms.start_room(
        cast.as_app(staff.WEBSITE),
        visitor_token=visitor.token,
        department_id=cast.departments[script.department].id,
        source=choices.choice(("website", "website", "mobile-app", "email")),
        subject=script.subject,
        priority=script.priority,
        tags=script.tags,
        custom_fields=assignments(cast.fields, values),
        preferred_agent_id=None if preferred is None else preferred.id,
    )


async def take(cast: Cast, room: Room, agent: User) -> Room:
    """Give a waiting room to the agent, who takes it unless its department has external routing."""
    department = next((one for one in cast.departments.values() if one.id == room.department_id), None)
    if department is not None and department.routing is RoutingMethod.EXTERNAL:
        return await rooms.assign_agent(cast.as_app(staff.ROUTER), room_id=room.id, agent_id=agent.id)
    return await rooms.take_room(cast.as_agent(agent), room_id=room.id)


async def say(cast: Cast, room: Room, line: Line, visitor: Visitor, agent: User | None) -> Message:
    """Send one line, as its speaker."""
    if line.speaker is Speaker.VISITOR or agent is None:
        return await messages.send_message(cast.as_visitor(visitor), room_id=room.id, text=line.text)
    offered = [Choice(id=str(number), label=label) for number, label in enumerate(line.choices, 1)]
    audience = Audience.STAFF if line.speaker is Speaker.NOTE else Audience.EVERYONE
    return await messages.send_message(
        cast.as_agent(agent), room_id=room.id, text=line.text, audience=audience, choices=offered
    )


async def choose(cast: Cast, room: Room, offering: Message, visitor: Visitor) -> None:
    """Answer with the first choice of a message."""
    option = messages.Option(offering.id, offering.choices[0].id)
    await messages.send_message(cast.as_visitor(visitor), room_id=room.id, text="", choice=option)


async def close(cast: Cast, room: Room, agent: User, script: Script, choices: Random) -> None:
    """Close the room as its agent."""
    await rooms.close_room(
        cast.as_agent(agent),
        room_id=room.id,
        comment=script.comment,
        custom_fields=assignments(cast.fields, {"satisfaction": choices.choice((3, 4, 4, 5, 5, 5))}),
    )


# ---------------------------------------------------------------- the past


def plan(cast: Cast, *, closed_each: int) -> list[Talk]:
    """All conversations of the sample data."""
    choices, used = dice(), iter(range(10_000))

    def visitor() -> Visitor:
        return cast.visitors[next(used) % len(cast.visitors)]

    def script(department: Department) -> Script:
        key = next(key for key, one in cast.departments.items() if one is department)
        fitting = [one for one in SCRIPTS if one.department == key]
        return fitting[next(used) % len(fitting)]

    talks = []
    minutes = HISTORY.total_seconds() / 60
    for name, served, held in OPEN_SERVED:
        agent = cast.agents[name]
        department = next(one for one in cast.departments.values() if one.id == _profile_departments(agent)[0])
        sales = department is cast.departments["sales"]
        span = (minutes - 10 - (SALES_FULL_MINUTES[0] + 14 if sales else 30)) / max(closed_each, 1)
        for number in range(closed_each):
            # One at a time, so that no agent serves more than its limit.
            begin = minutes - 10 - number * span - choices.uniform(0, max(1.0, span - 16))
            talks.append(Talk(script=script(department), visitor=visitor(), start=begin, agent=agent))
        for number in range(served):
            first, last = SALES_FULL_MINUTES if sales else (28, 5)
            talks.append(
                Talk(
                    script=script(department),
                    visitor=visitor(),
                    start=choices.uniform(last, first),
                    agent=agent,
                    messages=choices.randrange(2, 5),
                    hold=number < held,
                )
            )
    talks += [
        Talk(script=script(cast.departments[key]), visitor=visitor(), start=wait)
        for key, waits in OPEN_WAITING.items()
        for wait in waits
    ]
    return talks


def _profile_departments(user: User) -> Sequence[str]:
    assert user.agent is not None
    return user.agent.department_ids


def count_rooms(*, closed_each: int) -> int:
    """How many rooms `plan` has."""
    served = sum(number for _, number, _ in OPEN_SERVED)
    return len(OPEN_SERVED) * closed_each + served + sum(map(len, OPEN_WAITING.values()))


async def play_past(cast: Cast, report: Report, *, closed_each: int = CLOSED_EACH) -> None:
    """Create the conversations in the order of their steps, each step at its time. None is later than now.

    Steps of different conversations run at the same time if they are within STEP_SECONDS.
    """
    now, choices = cast.context.storage.database.now(), dice()
    due: list[tuple[float, int, Conversation]] = []
    for order, talk in enumerate(plan(cast, closed_each=closed_each)):
        heappush(due, (-60 * talk.start, order, Conversation(talk, choices)))
    total, started, reported = len(due), 0, -REPORTED
    while due:
        batch = [heappop(due)]
        while due and len(batch) < AT_ONCE and due[0][0] - batch[0][0] < STEP_SECONDS:
            batch.append(heappop(due))
        if any(conversation.is_new for _, _, conversation in batch):
            started += sum(conversation.is_new for _, _, conversation in batch)
            if started // REPORTED > (reported // REPORTED) or started == total:
                await report(f"conversations, {started} of {total}")
                reported = started
        pauses = await run_together(
            [
                partial(conversation.advance, cast.at(now + timedelta(seconds=min(offset, -1.0))))
                for offset, _, conversation in batch
            ]
        )
        for (offset, order, conversation), pause in zip(batch, pauses, strict=True):
            if pause is not None:
                heappush(due, (offset + pause, order, conversation))
