"""The waiting rooms with filters, in memory: which an agent can serve, compared with a look at each room."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from resolvers import agents
from resolvers.agent_filters import GivenFilter
from resolvers.routing.filtered_rooms import FilteredRooms
from storage import agent_filters
from storage.filters.expressions import AttributeCondition, BoundCondition, Expression, Operator
from storage.records import AgentProfile, FieldDefinition, FieldTarget, FieldType, RoomStatus, User, WaitingRoom
from tests.resolvers.world import World

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MANY, FILTERS = 10_000, 500


def named(*usernames: str) -> Expression:
    return AttributeCondition("username", Operator.IN, usernames)


def agent(name: str, *departments: str, open_rooms: int = 0) -> User:
    profile = AgentProfile(department_ids=departments, open_room_count=open_rooms)
    return User(id=name, username=name, agent=profile, created_at=NOON, updated_at=NOON)


def room(number: int, where: Expression, **values: Any) -> WaitingRoom:
    values = {"department_id": None, "priority": 0, "queued_at": NOON + timedelta(seconds=number), **values}
    return WaitingRoom(id=f"r{number}", agent_filter_expression=agent_filters.encode(where), **values)


def first(rooms: FilteredRooms, *accepting: str, now: datetime = NOON, **arguments: Any) -> list[str]:
    """The first rooms that one of these agents of all departments can serve."""
    pools = {pool: set(accepting) for pool in (None, "d", "e")}
    chosen: dict[str, Any] = {"automatic": {None, "d", "e"}, "fallback": set(), "limit": 100, **arguments}
    return rooms.first_servable(pools, now=now, **chosen)


# ---------------------------------------------------------------- agreement with a look at each room

NAMES = ("u0", "u1", "u2")
POOLS = (None, "d", "e")
ROOMS = st.lists(
    st.fixed_dictionaries(
        {
            "where": st.sets(st.sampled_from(NAMES)).map(lambda names: named(*sorted(names))),
            "department_id": st.sampled_from(POOLS),
            "priority": st.integers(0, 2),
            "passed_over_id": st.sampled_from([None, *NAMES]),
            "declined": st.booleans(),
            "agent_filter_until": st.sampled_from([None, NOON - timedelta(seconds=1), NOON + timedelta(seconds=1)]),
        }
    ),
    max_size=8,
)


@settings(max_examples=200)
@given(
    ROOMS,
    st.dictionaries(st.sampled_from(POOLS), st.sets(st.sampled_from(NAMES))),
    st.sets(st.sampled_from(POOLS)),
    st.sets(st.sampled_from(POOLS)),
    st.sets(st.integers(0, 7)),
)
def test_the_first_servable_rooms_are_those_that_a_look_at_each_finds(
    drawn: list[dict[str, Any]],
    accepting: dict[str | None, set[str]],
    automatic: set[str | None],
    fallback: set[str | None],
    removed: set[int],
) -> None:
    waiting = [room(number, **one) for number, one in enumerate(drawn)]
    rooms = FilteredRooms({name: agent(name) for name in NAMES})
    for one in waiting:
        rooms.add(one)
    for number in removed:
        rooms.remove(f"r{number}")

    def allows(one: WaitingRoom, name: str) -> bool:
        ended = one.agent_filter_until is not None and one.agent_filter_until <= NOON
        where: Any = drawn[waiting.index(one)]["where"]
        return name != one.passed_over_id and (ended or name in where.value)

    def is_routed(one: WaitingRoom) -> bool:
        return one.department_id in automatic or (one.declined and one.department_id in fallback)

    left = sorted(
        (one for number, one in enumerate(waiting) if number not in removed and is_routed(one)),
        key=lambda one: one.queue_position,
    )
    found = rooms.first_servable(accepting, automatic=automatic, fallback=fallback, now=NOON, limit=100)

    assert found == [
        one.id for one in left if any(allows(one, name) for name in accepting.get(one.department_id, set()))
    ]
    for name in NAMES:
        position = rooms.first_of(name, automatic=automatic, fallback=fallback, now=NOON, excluding="")
        assert position == next((one.queue_position for one in left if allows(one, name)), None)


# ---------------------------------------------------------------- updates


def test_an_agent_matches_by_what_it_has_become() -> None:
    now = {"anna": agent("anna")}
    rooms = FilteredRooms(now)
    rooms.add(room(1, named("zoe")))
    assert first(rooms, "anna") == []

    def become(user: User) -> None:
        before, now["anna"] = now["anna"], user
        rooms.matches.update_agent(before, user)

    become(agent("anna", open_rooms=1))
    assert first(rooms, "anna") == []

    become(User(id="anna", username="zoe", agent=AgentProfile(), created_at=NOON, updated_at=NOON))
    assert first(rooms, "anna") == ["r1"]

    del now["anna"]
    rooms.matches.remove_agent("anna")
    assert first(rooms, "anna") == []


def test_filters_end_in_time() -> None:
    rooms = FilteredRooms({})
    for number in (2, 1):
        end = NOON + timedelta(minutes=number)
        rooms.add(room(number, named("zoe"), agent_filter_until=end))
    assert rooms.next_end() == NOON + timedelta(minutes=1)

    assert first(rooms, "anna", now=NOON + timedelta(minutes=1)) == ["r1"]
    assert rooms.next_end() == NOON + timedelta(minutes=2)
    rooms.remove("r2")

    assert rooms.next_end() is None


def test_filters_end_with_their_custom_fields() -> None:
    definition = FieldDefinition(id="f", target=FieldTarget.USER, key="k", type=FieldType.TEXT, label="k")
    rooms, where = FilteredRooms({"anna": agent("anna")}), BoundCondition(definition, Operator.EQ, "v")
    rooms.add(room(1, where))
    assert rooms.definition_ids == {"f"}
    assert first(rooms, "anna") == []

    rooms.remove_definition("f")
    rooms.add(room(2, where))  # a fact that arrives late

    assert first(rooms, "anna") == ["r1", "r2"]


def test_excluded_rooms_do_not_count_towards_the_limit() -> None:
    rooms = FilteredRooms({"anna": agent("anna")})
    for number in range(4):
        rooms.add(room(number, named("anna")))

    assert first(rooms, "anna", excluding=["r0", "r2"], limit=1) == ["r1"]


# ---------------------------------------------------------------- ten thousand rooms


async def test_rooms_that_nobody_can_serve_are_not_read(world: World, mongodb_uri: str) -> None:
    database = world.services.storage.database
    filtered = await world.start(priority=1, agent_filter=GivenFilter({"username": {"in": ["zoe"]}}, named("zoe")))
    document: Any = await database["rooms"].find_one({"_id": filtered.id})
    texts = [agent_filters.encode(named(f"zoe{number}")) for number in range(FILTERS)]
    await database["rooms"].insert_many(
        [
            {**document, "_id": f"{number:026}", "agentFilterExpression": texts[number % FILTERS]}
            for number in range(MANY)
        ]
    )
    anna = await world.agent("anna", max_rooms=0)
    waiting = await world.start()
    await world.services.agent_cache.load(world.context.reader)

    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        stored = client[database.raw.name]
        stored.command("profile", 2)
        try:
            await agents.update_agent(world.context, agent_id=anna.id, max_rooms=1)
            await world.await_routing()
        finally:
            stored.command("profile", 0)
        reads = list(stored["system.profile"].find({"op": "query", "ns": f"{database.raw.name}.rooms"}))
        stored.drop_collection("system.profile")

    assert await world.served_by(waiting) == "anna"
    assert (await world.room(filtered)).status is RoomStatus.QUEUED
    assert reads
    assert max(read["docsExamined"] for read in reads) <= 10
