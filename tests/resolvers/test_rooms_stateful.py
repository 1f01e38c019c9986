"""Random mutations of rooms, agents and departments, alone and concurrently. After each step, invariants are verified:
no agent is over its limit, no room waits that an agent could serve, and facts are complete.

Runs some hundred steps. `make soak` runs SOAK_STEPS.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from resolvers import agents, departments, messages, roles, room_routing, rooms, users
from resolvers.routing.policy import AUTOMATIC
from server.app import start_services
from server.settings import Settings
from storage import departments as stored_departments
from storage import messages as stored_messages
from storage import rooms as stored_rooms
from storage.errors import SwitchboardError
from storage.facts import AgentAssigned, AgentUnassigned, AnyFact, AssignmentCause, RoomClosed
from storage.mongo.reader import Reader
from storage.records import (
    AgentStatus,
    Department,
    Presence,
    Room,
    RoomStatus,
    RoutingMethod,
    User,
)
from tests.histories import verify_history
from tests.resolvers import message_steps
from tests.resolvers.conftest import empty_world
from tests.resolvers.message_steps import ACTIONS as MESSAGE_ACTIONS
from tests.resolvers.message_steps import verify_messages
from tests.resolvers.replica import Replica
from tests.resolvers.world import World

STEPS_OF_ONE_RUN = 40
STEPS = int(os.environ.get("SOAK_STEPS", "160"))
AGENTS, DEPARTMENTS = 4, 3
#: A mutation. The numbers of a step choose its subject, a second entity and a value.
Action = Callable[["Deployment", int, int, int], Awaitable[Any]]


class Deployment:
    """The agents and departments of one run, whose numbers are fixed, and its rooms."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.agents: list[str] = []
        self.departments: list[str] = []
        self.rooms: list[str] = []
        self.messages: list[str] = []

    async def create(self) -> None:
        for number in range(DEPARTMENTS):
            made = await self.world.department(f"D{number}", list(RoutingMethod)[number % 2])
            self.departments.append(made.id)
        for number in range(AGENTS):
            made_agent = await self.world.agent(f"agent{number}", max_rooms=number)
            self.agents.append(made_agent.id)
        await departments.set_department_agents(
            self.world.context, department_id=self.departments[0], add=self.agents[:3]
        )
        await departments.set_department_agents(
            self.world.context, department_id=self.departments[1], add=self.agents[1:]
        )

    def agent(self, number: int) -> str:
        return self.agents[number % AGENTS]

    def department(self, number: int) -> str:
        return self.departments[number % DEPARTMENTS]

    def room(self, number: int) -> str:
        """One of the newest rooms, because most older rooms are closed."""
        recent = self.rooms[-8:]
        return recent[number % len(recent)] if recent else "none"

    async def start(self, number: int, priority: int) -> None:
        department_id = [None, *self.departments][number % (DEPARTMENTS + 1)]
        room = await rooms.start_room(
            self.world.context, visitor_token="v", department_id=department_id, priority=priority % 3
        )
        self.rooms.append(room.id)

    def message(self, number: int) -> str:
        """One of the newest messages."""
        recent = self.messages[-4:]
        return recent[number % len(recent)] if recent else "none"

    async def send(self, number: int) -> None:
        message = await messages.send_message(self.world.context, room_id=self.room(number), text="hi")
        self.messages.append(message.id)


def logged_in(d: Deployment, user: User) -> Any:
    return d.world.logged_in(user, "admin")


async def take(d: Deployment, room: int, agent: int) -> None:
    user = await d.world.user_by_id(d.agent(agent))
    await rooms.take_room(logged_in(d, user), room_id=d.room(room))


ROOM_ACTIONS: dict[str, Action] = {
    "startRoom": lambda d, i, j, k: d.start(i, k),
    "assignAgent": lambda d, i, j, k: rooms.assign_agent(d.world.context, room_id=d.room(i), agent_id=d.agent(j)),
    "takeRoom": lambda d, i, j, k: take(d, i, j),
    "unassignAgent": lambda d, i, j, k: rooms.unassign_agent(d.world.context, room_id=d.room(i)),
    "declineRouting": lambda d, i, j, k: room_routing.decline_routing(d.world.context, room_id=d.room(i)),
    "transferRoom to an agent": lambda d, i, j, k: rooms.transfer_room(
        d.world.context, room_id=d.room(i), to_agent_id=d.agent(j)
    ),
    "transferRoom to a department": lambda d, i, j, k: rooms.transfer_room(
        d.world.context, room_id=d.room(i), to_department_id=d.department(j)
    ),
    "holdRoom": lambda d, i, j, k: rooms.hold_room(d.world.context, room_id=d.room(i)),
    "resumeRoom": lambda d, i, j, k: rooms.resume_room(d.world.context, room_id=d.room(i)),
    "updateRoom": lambda d, i, j, k: rooms.update_room(d.world.context, room_id=d.room(i), priority=k % 3),
    "closeRoom": lambda d, i, j, k: rooms.close_room(d.world.context, room_id=d.room(i)),
    "sendMessage": lambda d, i, j, k: d.send(i),
}
OTHER_ACTIONS: dict[str, Action] = {
    "setAgentStatus": lambda d, i, j, k: agents.set_agent_status(
        d.world.context, agent_id=d.agent(i), status=list(AgentStatus)[k % 2]
    ),
    "setPresence": lambda d, i, j, k: users.set_presence(
        d.world.context, user_id=d.agent(i), presence=list(Presence)[k % 4]
    ),
    "setUserActive": lambda d, i, j, k: users.set_user_active(d.world.context, user_id=d.agent(i), active=k % 3 > 0),
    "updateAgent": lambda d, i, j, k: agents.update_agent(
        d.world.context, agent_id=d.agent(i), max_rooms=[None, 0, 1, 2, 3][k % 5], accepts_routing=j % 4 > 0
    ),
    "addAgent": lambda d, i, j, k: agents.add_agent(
        d.world.context, user_id=d.agent(i), max_rooms=k % 3, department_ids=[d.department(j)]
    ),
    "removeAgent": lambda d, i, j, k: agents.remove_agent(d.world.context, user_id=d.agent(i)),
    "addRoles": lambda d, i, j, k: roles.add_roles(d.world.context, user_id=d.agent(i), roles=["bot"]),
    "removeRoles": lambda d, i, j, k: roles.remove_roles(d.world.context, user_id=d.agent(i), roles=["bot"]),
    "setDepartmentAgents": lambda d, i, j, k: departments.set_department_agents(
        d.world.context, department_id=d.department(i), **{["add", "remove"][k % 2]: [d.agent(j)]}
    ),
    "updateDepartment": lambda d, i, j, k: departments.update_department(
        d.world.context,
        department_id=d.department(i),
        routing=list(RoutingMethod)[k % 4],
        enabled=j % 4 > 0,
        external_timeout_seconds=3_600,
    ),
}
ACTIONS = ROOM_ACTIONS | MESSAGE_ACTIONS | OTHER_ACTIONS
# Most steps are mutations of rooms.
NAMES = st.sampled_from([*ROOM_ACTIONS, "startRoom", "sendMessage", *MESSAGE_ACTIONS] * 2 + [*OTHER_ACTIONS])
NUMBERS = st.integers(0, 11)
STEP = st.tuples(NAMES, NUMBERS, NUMBERS, NUMBERS)


# ---------------------------------------------------------------- expectations


def routable(user: User) -> bool:
    agent = user.agent
    if agent is None or not user.active or agent.status is AgentStatus.NOT_AVAILABLE:
        return False
    if user.presence is Presence.OFFLINE and "bot" not in user.roles:
        return False
    return agent.max_rooms is None or agent.open_room_count < agent.max_rooms


def expected_code(
    name: str, room: Room | None, agent: User, department: Department, own: Department | None
) -> str | None:
    """The code with which the contract refuses a mutation of a room. None if it succeeds."""
    if name == "takeRoom" and agent.agent is None:
        return "NOT_AN_AGENT"
    if room is None:
        return "NOT_FOUND"
    if room.status is RoomStatus.CLOSED:
        return "ROOM_CLOSED"
    served = room.served_by_id is not None
    if name in ("assignAgent", "takeRoom") and served:
        return "ROOM_ALREADY_ASSIGNED"
    if name == "transferRoom to an agent" and room.served_by_id == agent.id:
        return "ROOM_ALREADY_ASSIGNED"
    if name in ("assignAgent", "takeRoom", "transferRoom to an agent") and not routable(agent):
        return "NOT_AN_AGENT" if agent.agent is None else "AGENT_NOT_ROUTABLE"
    if name == "transferRoom to a department" and not department.enabled:
        return "DEPARTMENT_DISABLED"
    if name == "declineRouting":
        external = own is not None and own.routing is RoutingMethod.EXTERNAL
        return None if external and not served and not room.declined else "ROOM_NOT_WAITING_FOR_DECISION"
    if name == "unassignAgent" and not served:
        return "ROOM_NOT_ASSIGNED"
    if name == "holdRoom" and room.status is not RoomStatus.ASSIGNED:
        return "ROOM_ON_HOLD" if served else "ROOM_NOT_ASSIGNED"
    if name == "resumeRoom" and room.status is not RoomStatus.ON_HOLD:
        return "ROOM_NOT_ON_HOLD"
    return None


async def code_of(action: Awaitable[Any]) -> str | None:
    """The code of the refusal. None if there is none."""
    try:
        await action
    except SwitchboardError as refusal:
        return refusal.code
    return None


# ---------------------------------------------------------------- the machine


class Machine(RuleBasedStateMachine):
    """One run. The fixture sets `runner` and `shared`."""

    runner: asyncio.Runner
    shared: World

    @initialize()
    def begin(self) -> None:
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        self.deployment = Deployment(await empty_world(self.shared.services))
        await self.deployment.create()
        self.replica = await Replica.read(self.shared.context)
        self.applied_until = await self.shared.head()

    @rule(step=STEP)
    def one(self, step: tuple[str, int, int, int]) -> None:
        """One mutation, which is refused exactly if the contract refuses it."""
        self.runner.run(self._one(*step))

    @rule(steps=st.lists(STEP, min_size=2, max_size=8))
    def several(self, steps: list[tuple[str, int, int, int]]) -> None:
        """Concurrent mutations. Each succeeds or is refused with a code."""
        self.runner.run(self._several(steps))

    async def _one(self, name: str, i: int, j: int, k: int) -> None:
        d, world = self.deployment, self.deployment.world
        expected = None
        if name in ROOM_ACTIONS and name != "startRoom":
            room = await stored_rooms.find(world.context.reader, d.room(i))
            agent = await world.user_by_id(d.agent(j))
            department = await stored_departments.get(world.context.reader, d.department(j))
            own = None
            if room is not None and room.department_id is not None:
                own = await stored_departments.get(world.context.reader, room.department_id)
            expected = expected_code(name, room, agent, department, own)
        elif name in MESSAGE_ACTIONS:
            message = (await stored_messages.get_many(world.context.reader, [d.message(i)])).get(d.message(i))
            expected = message_steps.expected_code(message, k)
        code = await code_of(ACTIONS[name](d, i, j, k))
        if name == "resumeRoom" and expected is None:
            assert code in (None, "AGENT_NOT_ROUTABLE")
        elif name in {*ROOM_ACTIONS, *MESSAGE_ACTIONS} - {"startRoom"}:
            assert code == expected
        await self._verify()

    async def _several(self, steps: list[tuple[str, int, int, int]]) -> None:
        actions = [ACTIONS[name](self.deployment, i, j, k) for name, i, j, k in steps]
        for answer in await asyncio.gather(*actions, return_exceptions=True):
            if isinstance(answer, BaseException) and not isinstance(answer, SwitchboardError):
                raise answer
        await self._verify()

    async def _verify(self) -> None:
        world = self.deployment.world
        await world.await_routing()
        facts = await world.facts()
        for fact in facts:
            if fact.sequence > self.applied_until:
                self.replica.apply(fact)
                self.applied_until = fact.sequence
        stored = (await Replica.read(world.context)).entities
        assert self.replica.entities == stored
        verify_history(facts, first=facts[0].sequence)
        await verify_counts(world.context.reader, stored["users"].values())
        verify_queue(stored, facts)
        verify_messages(facts, stored["messages"])


async def verify_counts(reader: Reader, all_users: Any) -> None:
    """Every agent's openRoomCount is the number of its ASSIGNED rooms."""
    counts = {user.id: user.agent.open_room_count for user in all_users if user.agent and user.agent.open_room_count}
    assert counts == await stored_rooms.count_assigned(reader)


def verify_queue(entities: dict[str, dict[str, Any]], facts: Sequence[AnyFact]) -> None:
    """No room waits while routing could assign it, except to the agent that the room passes over."""
    passed_over = verify_offers(facts)
    for room in entities["rooms"].values():
        assert room.passed_over_id == passed_over.get(room.id), room
        if room.status is not RoomStatus.QUEUED:
            continue
        department = entities["departments"].get(room.department_id)
        declined = department is not None and department.routing is RoutingMethod.EXTERNAL and room.declined
        if department is not None and department.routing not in AUTOMATIC and not declined:
            continue
        for user in entities["users"].values():
            is_member = department is None or (user.agent and department.id in user.agent.department_ids)
            if routable(user) and user.agent.accepts_routing and is_member:
                assert passed_over.get(room.id) == user.id, (room, user)


def verify_offers(facts: Sequence[AnyFact]) -> dict[str, str]:
    """Assert that routing assigns no room to an agent that it passes over or that does not accept routing.

    Returns the agent that each room passes over after these facts.
    """
    passed_over: dict[str, str] = {}
    for fact in facts:
        match fact:
            case AgentAssigned(room=snapshot, cause=cause):
                agent = snapshot.served_by
                assert agent is not None
                assert agent.agent is not None
                if cause is AssignmentCause.ROUTED:
                    assert passed_over.get(fact.subject_id) != agent.id, fact
                    assert agent.agent.accepts_routing, fact
                if passed_over.get(fact.subject_id) != agent.id:
                    passed_over.pop(fact.subject_id, None)
            case AgentUnassigned(room=snapshot, cause=AssignmentCause.UNASSIGNED):
                assert snapshot.former is not None
                passed_over[fact.subject_id] = snapshot.former.id
            case RoomClosed():
                passed_over.pop(fact.subject_id, None)
    return passed_over


@pytest.fixture
def machine(mongodb_uri: str) -> Iterator[type[Machine]]:
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        opening = start_services(mongodb_uri, Settings(database="test-stateful"))
        services, _ = runner.run(opening.__aenter__())
        stack.callback(lambda: runner.run(opening.__aexit__(None, None, None)))
        yield type("Machine", (Machine,), {"runner": runner, "shared": World(services)})


def test_rooms_agents_and_departments_keep_their_invariants(machine: type[Machine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=max(1, STEPS // STEPS_OF_ONE_RUN),
            stateful_step_count=STEPS_OF_ONE_RUN,
            deadline=None,
            database=None,
            # Each run starts with an empty deployment and takes seconds. Shrinking a failure would take minutes.
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        ),
    )
