"""setAppData stores what an app keeps beside an entity: for that app alone, with versions, and in no event."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from pymongo.read_concern import ReadConcern

from resolvers import app_data, events, visitors
from resolvers.auth.access import ADMIN, Caller
from resolvers.context import Context, EventAck
from storage.app_data import MAX_KEYS, MAX_REMOVED_KEYS, AppDatum, DataOwner
from storage.errors import (
    AlreadyAcknowledged,
    Forbidden,
    IdempotencyMismatch,
    Invalid,
    NotFound,
    StaleVersion,
)
from storage.mongo.cursors import event_cursor
from storage.records import Actor, ActorType, Presence
from tests.resolvers.refusals import refused, scoped
from tests.resolvers.world import World

OTHER_APP = Actor(type=ActorType.APP, id="other", name="Other")


async def put(world: World, value: object, key: str = "k", *, context: Context | None = None, **given: Any) -> Any:
    """Set what an app keeps beside itself, or beside the given owner."""
    context = context or world.context
    given.setdefault("owner", DataOwner.APP)
    given.setdefault("owner_id", context.caller.id)
    return await app_data.set_app_data(context, key=key, value=value, **given)


async def find(
    world: World,
    key: str = "k",
    *,
    context: Context | None = None,
    owner: DataOwner = DataOwner.APP,
    owner_id: str = "",
) -> AppDatum | None:
    context = context or world.context
    wanted = app_data.datum_key(context.caller, owner, owner_id or context.caller.id, key)
    return (await app_data.find_many(context, [wanted])).get(wanted)


async def documents(world: World) -> list[dict[str, Any]]:
    return await world.services.storage.database["app_data"].find({}).to_list(None)


def other_app(world: World) -> Context:
    return replace(world.context, caller=Caller(actor=OTHER_APP, scopes=frozenset({ADMIN})))


async def start_consumer(world: World) -> None:
    """Create the consumer "c", which has acknowledged the log so far."""
    async with aclosing(await events.subscribe(world.context, consumer="c")):
        pass


# ---------------------------------------------------------------- values and versions


async def test_a_value_is_read_as_it_was_written(world: World) -> None:
    value = {"a": [1, 2.5, None, True, "é"], "b": {}}

    datum = await put(world, value)

    assert (datum.key, datum.value_json, datum.version) == ("k", '{"a":[1,2.5,null,true,"é"],"b":{}}', 1)
    assert await find(world) == datum


async def test_every_write_has_a_higher_version(world: World) -> None:
    versions = [(await put(world, value)).version for value in ("a", "b", "b")]

    assert versions == [1, 2, 3]


async def test_a_removed_key_goes_on_with_a_higher_version_and_other_keys_begin_with_one(world: World) -> None:
    await put(world, "a")
    await put(world, "b")

    assert await put(world, None) is None
    assert await find(world) is None
    assert (await put(world, "c", if_version=0)).version == 3
    assert (await put(world, "a", "other")).version == 1


async def test_a_key_goes_on_with_a_higher_version_however_many_keys_were_removed_since(world: World) -> None:
    for _ in range(5):
        await put(world, "a", "first")
    await put(world, None, "first")
    for n in range(MAX_REMOVED_KEYS):
        await put(world, n, f"k{n}")
        await put(world, None, f"k{n}")

    assert (await put(world, "b", "first")).version > 5
    (index,) = [one for one in await documents(world) if one["_id"]["key"] == ""]
    assert len(index["removed"]) == MAX_REMOVED_KEYS


async def test_removing_what_is_not_there_changes_nothing(world: World) -> None:
    assert await put(world, None) is None
    assert await put(world, None, if_version=0) is None
    assert await documents(world) == []


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (0, "The key has a value already, at version 2; ifVersion 0 only adds keys."),
        (1, "The value is at version 2, not 1; read it again."),
        (3, "The value is at version 2, not 3; read it again."),
    ],
)
@pytest.mark.parametrize("value", ["new", None])
async def test_another_version_is_refused(world: World, value: object, expected: int, message: str) -> None:
    await put(world, "a")
    await put(world, "b", if_version=1)

    async with refused(world, StaleVersion, message, version=2):
        await put(world, value, if_version=expected)


async def test_a_version_of_a_missing_value_is_refused(world: World) -> None:
    async with refused(
        world, StaleVersion, "The key has no value, so it is not at version 1; ifVersion 0 adds it.", version=0
    ):
        await put(world, "a", if_version=1)


async def test_two_spellings_of_a_key_are_one_key(world: World) -> None:
    await put(world, "a", "caf\u00e9")

    assert (await put(world, "b", "cafe\u0301")).version == 2
    assert (await find(world, "cafe\u0301")) == await find(world, "caf\u00e9")


# ---------------------------------------------------------------- concurrent calls


async def test_of_concurrent_first_writes_in_two_processes_one_succeeds(world: World, other: World) -> None:
    answers = await asyncio.gather(
        *(put((world, other)[n % 2], n, if_version=0) for n in range(40)), return_exceptions=True
    )

    (winner,) = [answer for answer in answers if isinstance(answer, AppDatum)]
    assert all(isinstance(answer, StaleVersion) for answer in answers if answer is not winner)
    assert await find(world) == winner


async def test_concurrent_writes_in_two_processes_have_versions_of_their_own(world: World, other: World) -> None:
    answers = await asyncio.gather(*(put((world, other)[n % 2], n) for n in range(40)))

    assert sorted(answer.version for answer in answers) == [*range(1, 41)]
    assert await find(world) == max(answers, key=lambda answer: answer.version)


async def test_concurrent_keys_in_two_processes_do_not_exceed_the_limit(world: World, other: World) -> None:
    for n in range(MAX_KEYS - 5):
        await put(world, n, f"old{n}")

    answers = await asyncio.gather(
        *(put((world, other)[n % 2], n, f"new{n}") for n in range(20)), return_exceptions=True
    )

    assert [isinstance(answer, AppDatum) for answer in answers].count(True) == 5
    assert all(isinstance(answer, AppDatum | Invalid) for answer in answers)
    assert len(await documents(world)) == MAX_KEYS + 1


# ---------------------------------------------------------------- limits and bad input


async def test_the_keys_of_each_app_and_entity_are_limited(world: World) -> None:
    for n in range(MAX_KEYS):
        await put(world, n, f"k{n}")
    await put(world, "changed", "k0")

    message = (
        'An app keeps at most 100 keys beside one entity, and you have 100; remove one of them before you add "new".'
    )
    async with refused(world, Invalid, message, key="key"):
        await put(world, "a", "new")

    assert (await put(world, "a", "new", context=other_app(world))).version == 1
    room = await world.start()
    assert (await put(world, "a", "new", owner=DataOwner.ROOM, owner_id=room.id)).version == 1
    await put(world, None, "k1")
    assert (await put(world, "a", "new")).version == 1


@pytest.mark.parametrize(
    ("given", "key", "message"),
    [
        ({"key": ""}, "key", "key must have 1 to 128 characters; this one is empty."),
        ({"key": "k" * 129}, "key", "key must have 1 to 128 characters; this one has 129."),
        ({"if_version": -1}, "ifVersion", "ifVersion must be 0 to 2147483647; it is -1."),
        ({"value": "x" * 16_383}, "value", "value takes 16,385 bytes as JSON; at most 16,384 are allowed."),
    ],
)
async def test_bad_input_is_refused(world: World, given: dict[str, Any], key: str, message: str) -> None:
    async with refused(world, Invalid, message, key=key):
        await put(world, **{"value": "a", **given})


@pytest.mark.parametrize(
    ("owner", "key", "noun"),
    [
        (DataOwner.ROOM, "of.roomId", "room"),
        (DataOwner.USER, "of.userId", "user"),
        (DataOwner.VISITOR, "of.visitorId", "visitor"),
        (DataOwner.APP, "of.app", "app"),
    ],
)
async def test_an_entity_that_is_not_there_is_refused(world: World, owner: DataOwner, key: str, noun: str) -> None:
    async with refused(world, NotFound, f'There is no {noun} "nothing".', key=key):
        await put(world, "a", owner=owner, owner_id="nothing")


# ---------------------------------------------------------------- who may


async def test_another_app_neither_sees_nor_changes_it(world: World) -> None:
    room = await world.start()
    beside: dict[str, Any] = {"owner": DataOwner.ROOM, "owner_id": room.id}
    mine = await put(world, "mine", **beside)

    assert await find(world, context=other_app(world), **beside) is None
    theirs = await put(world, "theirs", context=other_app(world), if_version=0, **beside)

    assert await find(world, **beside) == mine
    assert await find(world, context=other_app(world), **beside) == theirs
    wanted = app_data.datum_key(world.context.caller, DataOwner.ROOM, room.id, "k")
    assert await app_data.find_many(other_app(world), [wanted]) == {}


@pytest.mark.parametrize(
    ("owner", "scope"),
    [(DataOwner.ROOM, "rooms:read"), (DataOwner.USER, "users:read"), (DataOwner.VISITOR, "visitors:read")],
)
async def test_an_app_needs_the_read_scope_of_the_entity(world: World, owner: DataOwner, scope: str) -> None:
    room, anna = await world.start(), await world.agent("anna", presence=Presence.OFFLINE)
    owner_id = {DataOwner.ROOM: room.id, DataOwner.USER: anna.id, DataOwner.VISITOR: room.visitor_id}[owner]
    without = scoped(world, *({"rooms:read", "users:read", "visitors:read"} - {scope}))
    message = f"This needs the scope {scope}, which this token does not have."

    datum = await put(world, "a", context=scoped(world, scope), owner=owner, owner_id=owner_id)

    assert await find(world, context=scoped(world, scope), owner=owner, owner_id=owner_id) == datum
    async with refused(world, Forbidden, message, scope=scope):
        await put(world, "b", context=without, owner=owner, owner_id=owner_id)
    async with refused(world, Forbidden, message, scope=scope):
        await find(world, context=without, owner=owner, owner_id=owner_id)


async def test_an_app_needs_no_scope_for_what_it_keeps_beside_itself(world: World) -> None:
    context = scoped(world)

    assert await put(world, "a", context=context) == await find(world, context=context)


async def test_users_and_visitors_are_refused(world: World) -> None:
    admin = world.logged_in(await world.agent("anna"), ADMIN)
    saved = await visitors.save_visitor(world.context, token="w")
    actor = Actor(type=ActorType.VISITOR, id=saved.id, name=None)
    visitor = replace(world.context, caller=Caller(actor, visitor=saved))

    for context, message in (
        (admin, "Only an app can do this; this token belongs to a user or a visitor."),
        (visitor, "This is not open to a visitor's token."),
    ):
        async with refused(world, Forbidden, message):
            await put(world, "a", context=context, owner=DataOwner.VISITOR, owner_id=saved.id)
        async with refused(world, Forbidden, message):
            await find(world, context=context)


# ---------------------------------------------------------------- what holds for all mutations


async def test_it_records_no_event_and_leaves_the_room_as_it_is(world: World) -> None:
    room = await world.start()
    head = await world.head()
    await world.services.storage.appender.cleanup.wait()

    await put(world, "a", owner=DataOwner.ROOM, owner_id=room.id)
    await put(world, None, owner=DataOwner.ROOM, owner_id=room.id)

    assert await world.room(room) == room
    outbox = world.services.storage.database["outbox"].with_options(read_concern=ReadConcern("local"))
    assert await outbox.count_documents({}) == 0
    assert await world.facts(head) == []


async def test_a_repeated_call_returns_the_first_answer(world: World, other: World) -> None:
    answers = await asyncio.gather(
        *(put((world, other)[n % 2], "a", context=world.context.mutation("m1")) for n in range(10))
    )
    await put(world, "b")

    assert {answer.version for answer in answers} == {1}
    assert await put(world, "a", context=world.context.mutation("m1")) == answers[0]
    assert await put(world, None, context=world.context.mutation("m2")) is None
    await put(world, "c")
    assert await put(world, None, context=world.context.mutation("m2")) is None
    assert (await find(world)) is not None
    with pytest.raises(IdempotencyMismatch):
        await put(world, "b", context=world.context.mutation("m1"))


async def test_an_event_is_acknowledged_with_the_value_or_not_at_all(world: World, other: World) -> None:
    await start_consumer(world)
    room = await world.start()
    ack = EventAck("c", event_cursor(await world.head()))

    answers = await asyncio.gather(
        *(
            put(
                (world, other)[n % 2],
                n,
                context=world.context.mutation(None, ack),
                owner=DataOwner.ROOM,
                owner_id=room.id,
            )
            for n in range(20)
        ),
        return_exceptions=True,
    )

    (done,) = [answer for answer in answers if isinstance(answer, AppDatum)]
    assert all(isinstance(answer, AlreadyAcknowledged) for answer in answers if answer is not done)
    assert done.version == 1
    assert await find(world, owner=DataOwner.ROOM, owner_id=room.id) == done


async def test_a_refused_write_acknowledges_nothing(world: World) -> None:
    await start_consumer(world)
    await world.start()
    context = world.context.mutation(None, EventAck("c", event_cursor(await world.head())))

    with pytest.raises(StaleVersion):
        await put(world, "a", context=context, if_version=4)

    assert (await put(world, "a", context=context)).version == 1
