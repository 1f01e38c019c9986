"""Results of subscriptions to events: they have entities as of the event, without a read, and are shared by equal
subscriptions."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from pymongo.errors import AutoReconnect
from pymongo.monitoring import CommandStartedEvent
from typing_extensions import override

from resolvers import rooms, users
from resolvers.auth.access import ADMIN, Caller
from resolvers.context import Context, Services
from resolvers.services import create_services
from schema.events import conversion, deliveries
from schema.execution.cohorts import Cohorts
from schema.execution.context import RequestContext
from schema.schema import schema
from storage import messages as stored_messages
from storage.facts import AnyFact
from storage.mongo.cursors import event_cursor
from storage.records import RoutingMethod
from storage.runtime import Storage
from storage.timings import Timings
from tests.commands import StartedCommands
from tests.resolvers.world import APP, World
from tests.storage.support import until

#: The fields of a room event that need no read.
SUBSCRIPTION = """
subscription ($after: Cursor) {
  agentAssigned(after: $after) {
    sequence actor { name } roomRevision cause
    agent { status openRoomCount departmentIds user { username name roles } }
    room {
      status subject customFields { key value } visitor { name } department { name routing }
      servedBy { user { username emails } } lastServedBy { agentId }
    }
  }
}
"""


class Reads(StartedCommands):
    """The reads of collections of entities. Reads of the log and of background tasks are not among them."""

    def __init__(self) -> None:
        self.names: list[str] = []

    @override
    def started(self, event: CommandStartedEvent) -> None:
        name = event.command.get("find") or event.command.get("aggregate")
        if name in {"users", "rooms", "visitors", "departments", "roles", "custom_fields", "messages"}:
            self.names.append(name)


@pytest.fixture
async def reading(mongodb_uri: str, services: Services, world: World) -> AsyncIterator[tuple[Context, Reads]]:
    """The context of another process on the database of `world`, and its reads."""
    reads = Reads()
    async with Storage.open(mongodb_uri, services.storage.database.raw.name, listeners=[reads]) as storage:
        yield Context(create_services(storage), Caller(actor=APP, scopes=frozenset({ADMIN}))), reads


@pytest.fixture
async def world(services: Services) -> World:
    world = World(services)
    await world.visitor()
    return world


async def test_delivery_shows_entities_as_of_the_event_without_a_read(
    world: World, reading: tuple[Context, Reads]
) -> None:
    context, reads = reading
    department = await world.department("Sales", RoutingMethod.LEAST_LOADED)
    anna = await world.agent("anna", departments=[department])
    after = event_cursor(context.storage.feed.head)
    started = [await world.start(department, subject=subject) for subject in ("first", "second")]
    await users.update_user(world.context, user_id=anna.id, username="anna-b")
    for room in started:
        await rooms.close_room(world.context, room_id=room.id)
    reads.names.clear()

    stream = await schema.subscribe(
        SUBSCRIPTION, variable_values={"after": after}, context_value=RequestContext(context)
    )
    assert hasattr(stream, "__anext__"), stream
    async with aclosing(stream) as results, asyncio.timeout(60):
        first, second = [((await anext(results)).data or {})["agentAssigned"] for _ in started]

    assert reads.names == []
    assert [one["room"]["subject"] for one in (first, second)] == ["first", "second"]
    assert [one["room"]["status"] for one in (first, second)] == ["ASSIGNED", "ASSIGNED"]
    assert [one["agent"]["user"]["username"] for one in (first, second)] == ["anna", "anna"]
    assert [one["agent"]["openRoomCount"] for one in (first, second)] == [1, 2]
    assert first["room"]["department"] == {"name": "Sales", "routing": "LEAST_LOADED"}


# ---------------------------------------------------------------- cohorts

STARTED = "subscription { roomStarted { sequence room { subject } } }"


async def results_of(context: Context, cohorts: Cohorts, text: str, count: int) -> list[Any]:
    """The first `count` results of a subscription."""
    stream: Any = await schema.subscribe(text, context_value=RequestContext(context, cohorts=cohorts))
    async with aclosing(stream), asyncio.timeout(60):
        return [await anext(stream) for _ in range(count)]


async def all_results(
    world: World, cohorts: Cohorts, subscriptions: Sequence[tuple[Context, str]], subjects: Sequence[str]
) -> list[list[Any]]:
    """The results of each subscription for rooms with these subjects, which start when all subscriptions have begun."""
    reading_results = [
        asyncio.ensure_future(results_of(context, cohorts, text, count=len(subjects)))
        for context, text in subscriptions
    ]

    async def all_are_subscribed() -> bool:
        return cohorts.members == len(subscriptions)

    await until(all_are_subscribed)
    for subject in subjects:
        await world.start(subject=subject)
    return await asyncio.gather(*reading_results)


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sequences of the facts that are converted to events."""
    sequences: list[int] = []

    def record_and_convert(fact: AnyFact) -> Any:
        sequences.append(fact.sequence)
        return conversion.event_from_fact(fact)

    monkeypatch.setattr(deliveries, "event_from_fact", record_and_convert)
    return sequences


async def test_equal_subscriptions_share_one_result(world: World, converted: list[int]) -> None:
    results = await all_results(world, Cohorts(), [(world.context, STARTED)] * 5, ["first", "second"])

    assert [[one.data["roomStarted"]["room"]["subject"] for one in of_subscription] for of_subscription in results] == [
        ["first", "second"]
    ] * 5
    assert len({of_subscription[0].encoded for of_subscription in results}) == 1
    assert len(converted) == 2


async def test_results_for_other_selections_or_scopes_are_not_shared(world: World, converted: list[int]) -> None:
    less = Caller(actor=APP, scopes=frozenset({"rooms:read", "events:read"}))
    otherwise = [
        (world.context, STARTED),
        (world.context, STARTED.replace("sequence", "cursor")),
        (replace(world.context, caller=less), STARTED),
    ]

    results = await all_results(world, Cohorts(), otherwise, ["first"])

    assert [sorted(of_subscription[0].data["roomStarted"]) for of_subscription in results] == [
        ["room", "sequence"],
        ["cursor", "room"],
        ["room", "sequence"],
    ]
    assert len(converted) == 3


async def test_result_with_current_is_shared_by_equal_subscriptions(world: World, converted: list[int]) -> None:
    text = STARTED.replace("subject", "current { messages { totalCount } }")

    results = await all_results(world, Cohorts(), [(world.context, text)] * 100, ["first"])

    assert [of_subscription[0].data["roomStarted"]["room"] for of_subscription in results] == [
        {"current": {"messages": {"totalCount": 0}}}
    ] * 100
    assert len(converted) == 1


async def test_cached_results_have_a_byte_budget(world: World) -> None:
    cohorts = Cohorts(max_cached_bytes=2_000)
    subjects = [f"number {number}" for number in range(20)]

    results = await all_results(world, cohorts, [(world.context, STARTED)] * 2, subjects)

    for of_subscription in results:
        assert [one.data["roomStarted"]["room"]["subject"] for one in of_subscription] == subjects
    assert 0 < cohorts.cached_bytes <= 2_000


# ---------------------------------------------------------------- when the database does not answer


async def test_event_is_delivered_when_its_reads_succeed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.services.storage.database, "timings", Timings(delivery_retry=0))
    read, failures = stored_messages.read_pages, iter([AutoReconnect("connection closed")] * 4)

    async def read_or_fail(*args: Any, **kwargs: Any) -> Any:
        for failure in failures:
            raise failure
        return await read(*args, **kwargs)

    monkeypatch.setattr(stored_messages, "read_pages", read_or_fail)
    text = STARTED.replace("subject", "subject current { messages { totalCount } }")

    (results,) = await all_results(world, Cohorts(), [(world.context, text)], ["first", "second"])

    assert next(failures, None) is None
    assert [one.errors for one in results] == [None, None]
    assert [one.data["roomStarted"]["room"] for one in results] == [
        {"subject": "first", "current": {"messages": {"totalCount": 0}}},
        {"subject": "second", "current": {"messages": {"totalCount": 0}}},
    ]
