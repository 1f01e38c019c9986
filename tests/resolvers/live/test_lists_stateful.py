"""The list that a client builds from the messages of `roomList` equals the list at the client's cursor.

Runs some hundred steps. `make soak` runs SOAK_STEPS.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from typing_extensions import override

from resolvers import rooms
from resolvers.live import list_updates, list_view
from resolvers.live.window import ListChange
from resolvers.ordering import Ordering
from server.app import start_services
from server.settings import Settings
from storage.errors import SwitchboardError
from storage.filters.expressions import And, AttributeCondition, Expression, Not, Operator
from storage.records import RoomStatus
from tests.resolvers.conftest import empty_world
from tests.resolvers.live.reader import ListReader, expected_list
from tests.resolvers.test_rooms_stateful import ACTIONS, STEP, Deployment
from tests.resolvers.world import World

STEPS_OF_ONE_RUN = 10
STEPS = int(os.environ.get("SOAK_STEPS", "40"))


def _status(*statuses: RoomStatus) -> Expression:
    return AttributeCondition("status", Operator.IN, tuple(one.value for one in statuses))


#: The subscribed lists, with different sizes, orders and filters. Rooms enter and leave some of them often.
LISTS: tuple[dict[str, Any], ...] = (
    {"first": 2},
    {"first": 3, "order_by": Ordering("PRIORITY", True)},
    {"first": 2, "order_by": Ordering("PRIORITY", False), "where": _status(RoomStatus.QUEUED, RoomStatus.ASSIGNED)},
    {"first": 2, "order_by": Ordering("QUEUE")},
    {"first": 3, "order_by": Ordering("QUEUE", True)},
    {"first": 2, "order_by": Ordering("CLOSED_AT", True)},
    {"first": 3, "order_by": Ordering("CLOSED_AT")},
    {"first": 3, "order_by": Ordering("LAST_MESSAGE_AT")},
    {"first": 2, "order_by": Ordering("LAST_MESSAGE_AT", True), "where": Not(_status(RoomStatus.CLOSED))},
    {"first": 4, "order_by": Ordering("STARTED_AT", True), "where": Not(_status(RoomStatus.CLOSED))},
    {"first": 1, "where": And((_status(RoomStatus.QUEUED), AttributeCondition("department", Operator.EXISTS, False)))},
)


class Machine(RuleBasedStateMachine):
    """One run. The fixture sets `runner`, `shared` and `elsewhere`."""

    runner: asyncio.Runner
    shared: World
    #: The same deployment in another process.
    elsewhere: World

    @initialize()
    def begin(self) -> None:
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        self.deployment = Deployment(await empty_world(self.shared.services))
        await self.deployment.create()
        self.readers = [ListReader(self.shared.context, **arguments) for arguments in LISTS]
        for reader in self.readers:
            await reader.open()

    @rule(
        steps=st.lists(STEP, min_size=3, max_size=8),
        taken=st.lists(st.integers(0, 3), min_size=len(LISTS), max_size=len(LISTS)),
        resumed=st.lists(st.tuples(st.integers(0, len(LISTS) - 1), st.booleans()), max_size=2),
        caught_up=st.booleans(),
    )
    def act(
        self,
        steps: list[tuple[str, int, int, int]],
        taken: list[int],
        resumed: list[tuple[int, bool]],
        caught_up: bool,
    ) -> None:
        """Several things happen at once. Clients take in some messages, however many wait; some lose their connection
        wherever they are, and go on after the last message, perhaps at another process."""
        self.runner.run(self._act(steps))
        for reader, number in zip(self.readers, taken, strict=True):
            self.runner.run(self._take_some(reader, number))
        for which, elsewhere in resumed:
            self.runner.run(self._resume(self.readers[which], self.elsewhere if elsewhere else self.shared))
        if caught_up:
            self.runner.run(self._verify())

    @override
    def teardown(self) -> None:
        if hasattr(self, "readers"):
            self.runner.run(self._end())

    async def _act(self, steps: list[tuple[str, int, int, int]]) -> None:
        acts = [ACTIONS[name](self.deployment, i, j, k) for name, i, j, k in steps]
        for answer in await asyncio.gather(*acts, return_exceptions=True):
            if isinstance(answer, BaseException) and not isinstance(answer, SwitchboardError):
                raise answer

    async def _take_some(self, reader: ListReader, count: int) -> None:
        for _ in range(count):
            if await self._is_up_to_date(reader):
                break
            await reader.next()
            await self._verify_position(reader)

    async def _resume(self, reader: ListReader, world: World) -> None:
        await reader.close()
        await reader.open(context=world.context)

    async def _verify(self) -> None:
        await self.deployment.world.await_routing()
        for reader in self.readers:
            while not await self._is_up_to_date(reader):
                await reader.next()
                await self._verify_position(reader)
            arguments = {"order_by": None, "where": None, **reader.arguments}
            page = await rooms.list_rooms(self.shared.context, **arguments)
            assert reader.ids == [room.id for room in page.items]
            assert [reader.rooms[room.id].revision for room in page.items] == [room.revision for room in page.items]
            assert reader.total == await page.total()

    async def _verify_position(self, reader: ListReader) -> None:
        """Assert that the client has the list as of its cursor."""
        if reader.last is not None and reader.last.change is ListChange.LEFT:
            assert reader.last.room is not None
        if reader.last is None or not reader.is_complete():
            return
        facts = await self.deployment.world.facts()
        listed, total = expected_list(facts, reader.last.at.sequence, **reader.arguments)
        assert reader.ids == [room.id for room in listed], reader.last
        assert [reader.rooms[room.id].revision for room in listed] == [room.revision for room in listed]
        if reader.last.has_total:
            assert reader.total == total

    async def _is_up_to_date(self, reader: ListReader) -> bool:
        """Whether the client has the list as of the last fact."""
        if reader.last is None or not reader.is_complete():
            return False
        facts = await self.deployment.world.facts()
        listed, total = expected_list(facts, await self.shared.head(), **reader.arguments)
        known = [(one, reader.rooms[one].revision, reader.rooms[one].message_count) for one in reader.ids]
        return known == [(room.id, room.revision, room.message_count) for room in listed] and reader.total == total

    async def _end(self) -> None:
        await self._verify()
        for reader in self.readers:
            await reader.close()
        for world in (self.shared, self.elsewhere):
            assert len(world.services.live_views) == 0


def _close(runner: asyncio.Runner, opening: Any) -> None:
    runner.run(opening.__aexit__(None, None, None))


@pytest.fixture
def machine(mongodb_uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Machine]]:
    # Windows are exhausted, and readers fall behind, within a few steps.
    monkeypatch.setattr(list_view, "slack", lambda size: size % 2)
    monkeypatch.setattr(list_updates, "MAX_UPDATES", 4)
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        worlds = []
        for _ in range(2):
            opening = start_services(mongodb_uri, Settings(database="test-lists-stateful"))
            services, _ = runner.run(opening.__aenter__())
            stack.callback(partial(_close, runner, opening))
            worlds.append(World(services))
        yield type("Machine", (Machine,), {"runner": runner, "shared": worlds[0], "elsewhere": worlds[1]})


def test_a_list_built_from_its_changes_equals_the_query_at_every_cursor(machine: type[Machine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            # The first run has the smallest values.
            max_examples=1 + max(1, STEPS // STEPS_OF_ONE_RUN),
            stateful_step_count=STEPS_OF_ONE_RUN,
            deadline=None,
            database=None,
            # Each run starts with an empty deployment and takes seconds. Shrinking a failure would take minutes.
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        ),
    )
