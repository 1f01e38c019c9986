"""Sample data: what is created, and that exactly this is removed again."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from resolvers import agents, departments, rooms, users, visitors
from resolvers.auth.access import ADMIN, Caller
from resolvers.context import Context, Services
from resolvers.custom_fields import definitions
from resolvers.samples import samples, traffic
from resolvers.samples.cast import SampleHook
from resolvers.samples.conversations import HISTORY
from resolvers.samples.scripts import SCRIPTS
from storage import samples as stored
from storage.errors import FieldRequired, Forbidden, Unavailable
from storage.mongo.connection import COLLECTIONS
from storage.records import Actor, ActorType, FieldTarget, FieldType, Presence, RoomStatus
from storage.samples import SampleKind, SampleRun, SampleRunEnded, SampleState
from storage.transactions import leases

#: Collections without entities: positions, leases and finished work.
TECHNICAL = frozenset({"idempotency", "leases", "log", "outbox", "processes", "removals", "rules", "signals"})
OPEN = {"ASSIGNED": 23, "ON_HOLD": 3, "QUEUED": 11}
ENTITIES = {
    SampleKind.ROOM: 37,
    SampleKind.USER: 13,
    SampleKind.VISITOR: 48,
    SampleKind.DEPARTMENT: 5,
    SampleKind.ROLE: 2,
    SampleKind.FIELD: 11,
    SampleKind.APP: 2,
}


@pytest.fixture
def context(services: Services) -> Context:
    app = Actor(type=ActorType.APP, id="app", name="App")
    return Context(services, Caller(actor=app, scopes=frozenset({ADMIN})))


async def read_all(context: Context) -> dict[str, list[Any]]:
    """Every document of the deployment, by collection."""
    database = context.storage.database
    return {
        name: sorted(await database[name].find({}).to_list(None), key=lambda document: str(document["_id"]))
        for name in COLLECTIONS
        if name not in TECHNICAL
    }


async def run_traffic_until_one_is_closed(context: Context) -> int:
    """Let conversations start and end. Returns how many there are more."""
    run = await stored.find_run(context.reader)
    assert run is not None
    cast = await traffic.load_cast(context, run)
    before = {one["_id"]: one["status"] for one in (await read_all(context))["rooms"]}
    now = before
    while len(now) == len(before) or "CLOSED" not in now.values():
        await traffic.run_traffic(cast, samples.ignore, seconds=1.0, pace=0.01)
        now = {one["_id"]: one["status"] for one in (await read_all(context))["rooms"]}
    return len(now) - len(before)


async def test_sample_data_are_created_once_go_on_with_traffic_and_are_removed_without_a_trace(
    context: Context,
) -> None:
    before, began = await read_all(context), context.storage.database.now()

    # Of two processes that create them at once, one is refused, or finds them complete.
    results = await asyncio.gather(
        samples.create(context, closed_each=0), samples.create(context, closed_each=0), return_exceptions=True
    )
    again = await samples.create(context, closed_each=0)

    assert sum(result is None or isinstance(result, Unavailable) for result in results) == 1
    assert again is None
    assert await samples.get_status(context) == samples.SampleStatus(
        state=SampleState.READY, created=118, expected=118, busy=False, empty=False
    )
    assert {kind: len(await stored.list_ids(context.reader, kind)) for kind in SampleKind} == ENTITIES
    created = await read_all(context)
    assert Counter(room["status"] for room in created["rooms"]) == OPEN
    times = [message["sentAt"] for message in created["messages"]]
    assert began - HISTORY < min(times)
    assert max(times) < context.storage.database.now()

    started = await run_traffic_until_one_is_closed(context)
    removal = await samples.remove(context)

    assert (removal.removed, removal.left) == (118 + started, {})
    assert await read_all(context) == before
    assert (await samples.remove(context)).removed == 0


def test_a_conversation_goes_on_after_the_line_that_was_said_last() -> None:
    quote = SCRIPTS[0]
    assert [bool(line.choices) for line in quote.lines] == [False, True, False, False, False, False]

    assert [traffic.count_lines(quote, messages) for messages in range(9)] == [0, 1, 2, 2, 3, 4, 5, 6, 6]


async def test_other_data_stay_and_what_they_use_stays_with_them(context: Context) -> None:
    anna = await users.create_user(context, username="anna")
    await users.set_presence(context, user_id=anna.id, presence=Presence.ONLINE)
    await agents.add_agent(context, user_id=anna.id, max_rooms=0)  # routing assigns her no room
    await visitors.save_visitor(context, token="v")
    waiting = await rooms.start_room(context, visitor_token="v", subject="waits before")

    cast = await samples.create(context, closed_each=0)

    assert cast is not None
    assert [one.username for one in cast.agents.values() if one.agent and one.agent.accepts_routing] == []
    ada, sales = cast.agents["Ada"], cast.departments["sales"]
    await departments.set_department_agents(context, department_id=sales.id, add=[anna.id])
    served = await rooms.start_room(context, visitor_token="v", subject="served by a sample agent")
    await agents.update_agent(context, agent_id=ada.id, max_rooms=10)
    await rooms.assign_agent(context, room_id=served.id, agent_id=ada.id)

    removal = await samples.remove(context)

    assert removal.left == {SampleKind.DEPARTMENT: ["Sales"]}
    assert removal.removed == 117
    stored_rooms = await rooms.get_many(context, [waiting.id, served.id])
    assert stored_rooms[waiting.id].served_by_id is None
    assert stored_rooms[served.id].status is not RoomStatus.CLOSED
    assert stored_rooms[served.id].served_by_id is None
    assert [one["username"] for one in (await read_all(context))["users"]] == ["anna"]

    await departments.set_department_agents(context, department_id=sales.id, remove=[anna.id])
    assert (await samples.remove(context)).left == {}
    assert (await read_all(context))["departments"] == []


async def test_an_interrupted_creation_is_removed_without_a_trace(context: Context) -> None:
    before = await read_all(context)
    conversations_begin = asyncio.Event()

    async def report(sentence: str) -> None:
        if sentence.startswith("conversations"):
            conversations_begin.set()

    creation = asyncio.ensure_future(samples.create(context, report, closed_each=0))
    await conversations_begin.wait()
    creation.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creation
    assert (await samples.get_status(context)).state is SampleState.CREATING

    await samples.remove(context)

    assert await read_all(context) == before


async def test_a_transaction_of_a_run_that_has_ended_creates_nothing(context: Context) -> None:
    run = SampleRun(id="run", state=SampleState.CREATING)
    await stored.begin(context.reader, run)
    await stored.set_state(context.reader, run, SampleState.REMOVING)
    before = await read_all(context)

    with pytest.raises(SampleRunEnded):
        await visitors.save_visitor(replace(context, hook=SampleHook(run)), token="late")

    assert await read_all(context) == before


async def test_while_another_process_is_at_work_nothing_is_created_or_removed(context: Context) -> None:
    assert await leases.acquire(context.storage.database, samples.LEASE, owner="other", seconds=600)
    before = await read_all(context)

    with pytest.raises(Unavailable, match=r"being created or removed already; wait until that has ended"):
        await samples.create(context)
    with pytest.raises(Unavailable, match=r"being created or removed already; wait until that has ended"):
        await samples.remove(context)

    assert (await samples.get_status(context)).busy
    assert await read_all(context) == before


async def test_a_required_field_and_a_missing_scope_refuse_them(context: Context) -> None:
    await definitions.define_custom_field(
        context, target=FieldTarget.ROOM, key="contract", type=FieldType.TEXT, required=True
    )
    reader = replace(context, caller=replace(context.caller, scopes=frozenset({"rooms:read"})))
    before = await read_all(context)

    with pytest.raises(FieldRequired, match=r"The custom field contract of rooms is required"):
        await samples.create(context)
    for operation in (samples.create, samples.remove, samples.get_status):
        with pytest.raises(Forbidden):
            await operation(reader)

    assert await read_all(context) == before
