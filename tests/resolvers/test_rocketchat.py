"""The import of a Rocket.Chat database: what its documents become, with the oddities of old servers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest_asyncio
from pymongo import MongoClient

from resolvers import agents, users, visitors
from resolvers.rocketchat.importer import RocketChatImport
from resolvers.rocketchat.report import ImportReport
from storage import assignments, messages
from storage.facts import AgentAssigned, RoomFact
from storage.records import FieldTarget, RoomStatus, RoutingMethod, UserType
from storage.rocketchat import NAMES, RocketChatDatabase
from tests.resolvers.world import World
from tests.storage.support import until

SOURCE = "test-rocketchat"
START = datetime(2024, 5, 1, 9, tzinfo=UTC)

DOCUMENTS: dict[str, list[dict[str, Any]]] = {
    "settings": [{"_id": "Livechat_Routing_Method", "value": "Manual_Selection"}],
    "roles": [
        {"_id": "livechat-agent", "name": "livechat-agent"},
        {"_id": "63444b374684a412adb6c4f9", "name": "night-shift"},
    ],
    "custom_fields": [
        {"_id": "plan", "label": "Plan", "scope": "visitor", "type": "select", "options": "free,paid", "regexp": ""},
        {"_id": "not a key", "label": "x", "scope": "room"},
    ],
    "departments": [
        {"_id": "d1", "name": "Sales", "enabled": True},
        {"_id": "d2", "name": "Old", "enabled": False, "archived": True},
    ],
    "department_agents": [{"_id": "da1", "departmentId": "d1", "agentId": "u1", "count": 7}],
    "users": [
        {
            "_id": "u1",
            "username": "rc.anna",
            "name": "Anna",
            "emails": [{"address": "anna@example.org", "verified": True}],
            "type": "user",
            "roles": ["livechat-agent", "63444b374684a412adb6c4f9"],
            "livechat": {"maxNumberSimultaneousChat": 3},
            "livechatCount": 99,
            "customFields": {"team": "B", "nested": {"x": 1}},
            "createdAt": START,
        },
        {"_id": "u2", "username": "rc.bot", "roles": ["bot"], "type": "bot", "active": False},
        {"_id": "u3", "name": "no username"},
    ],
    "visitors": [
        {
            "_id": "v1",
            "token": "rc-token",
            "username": "guest-1",
            "name": "Vera",
            "visitorEmails": [{"address": "vera@example.org"}],
            "phone": [{"phoneNumber": "+49 1"}],
            "livechatData": {"plan": "free", "points": 7},
            "ts": START,
        },
        {"_id": "v2", "username": "guest-2"},
    ],
    "rooms": [
        {
            "_id": "r1",
            "t": "l",
            "v": {"_id": "v1", "token": "rc-token"},
            "departmentId": "d1",
            "servedBy": {"_id": "u1", "username": "rc.anna"},
            "topic": "Order",
            "tags": ["vip"],
            "livechatData": {"case": "A-1"},
            "ts": START,
            "closedAt": START + timedelta(hours=1),
        },
        {
            "_id": "r2",
            "t": "l",
            "v": {"_id": "v1", "token": "rc-token"},
            "open": True,
            "departmentId": "gone",
            "ts": START,
        },
        {"_id": "r3", "t": "l", "v": {"_id": "v3"}, "ts": START},
        {"_id": "c1", "t": "c", "name": "general"},
    ],
    "messages": [
        {"_id": "m1", "rid": "r1", "t": "livechat-started", "msg": "", "ts": START, "u": {"_id": "v1"}},
        {
            "_id": "m2",
            "rid": "r1",
            "msg": "Hello",
            "token": "rc-token",
            "ts": START,
            "u": {"_id": "v1", "name": "Vera"},
        },
        {
            "_id": "m3",
            "rid": "r1",
            "msg": "Good day",
            "ts": START + timedelta(minutes=1),
            "u": {"_id": "u1", "username": "rc.anna"},
        },
        {"_id": "m4", "rid": "r1", "msg": "", "file": {"_id": "f"}, "ts": START, "u": {"_id": "v1"}},
        {"_id": "m6", "rid": "r1", "msg": "Gone", "ts": START, "u": {"_id": "u9", "username": "gone"}},
        {"_id": "m5", "rid": "r1", "t": "livechat-close", "msg": "bye", "ts": START, "u": {"_id": "u1"}},
    ],
}


@pytest_asyncio.fixture(loop_scope="session")
async def source(world: World, mongodb_uri: str) -> AsyncIterator[RocketChatDatabase]:
    """A database in the shapes of Rocket.Chat, and a deployment without imports."""
    await world.services.storage.database["imports"].delete_many({})
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        for name, documents in DOCUMENTS.items():
            client[SOURCE][NAMES[name]].delete_many({})
            client[SOURCE][NAMES[name]].insert_many(documents)
    async with RocketChatDatabase.open(mongodb_uri, SOURCE) as opened:
        yield opened


async def run(world: World, source: RocketChatDatabase, *, dry_run: bool = False) -> ImportReport:
    return await RocketChatImport(world.context, source, progress=lambda *_: None, dry_run=dry_run).run()


async def test_records_become_entities_with_their_times(world: World, source: RocketChatDatabase) -> None:
    report = await run(world, source)

    assert {kind: report.imported[kind] for kind in ("roles", "departments", "users", "visitors", "rooms")} == {
        "roles": 1,
        "departments": 2,
        "users": 2,
        "visitors": 1,
        "rooms": 2,
    }
    anna = await users.find_user(world.context, username="rc.anna")
    assert anna is not None
    assert (anna.name, anna.emails, anna.created_at, dict(anna.custom_fields)) == (
        *("Anna", ("anna@example.org",), START),
        {"team": "B"},
    )
    assert anna.roles == ("livechat-agent", "night-shift")
    assert anna.agent is not None
    assert (anna.agent.max_rooms, len(anna.agent.department_ids), anna.agent.open_room_count) == (3, 1, 0)
    bot = await users.find_user(world.context, username="rc.bot")
    assert bot is not None
    assert (bot.type, bot.active) == (UserType.BOT, False)
    vera = await visitors.find_visitor(world.context, token="rc-token")
    assert vera is not None
    assert (vera.name, vera.email, vera.phone, vera.created_at, dict(vera.custom_fields)) == (
        *("Vera", "vera@example.org", "+49 1", START),
        {"plan": "free", "points": "7"},
    )


async def test_the_roles_of_users_are_found_by_their_names_too_and_others_are_reported(
    world: World, source: RocketChatDatabase, mongodb_uri: str
) -> None:
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        stored = client[SOURCE][NAMES["users"]]
        stored.update_one({"_id": "u1"}, {"$set": {"roles": ["livechat-agent", "night-shift", "deleted"]}})

    report = await run(world, source)

    anna = await users.find_user(world.context, username="rc.anna")
    assert anna is not None
    assert anna.roles == ("livechat-agent", "night-shift")
    assert report.problems["users", "has the role 'deleted', which is not here"] == (1, ["u1"])


async def test_a_closed_room_has_its_messages_and_an_open_one_waits(world: World, source: RocketChatDatabase) -> None:
    await run(world, source)

    starts = {fact.room.room.id: fact.room for fact in await world.facts() if isinstance(fact, RoomFact)}
    first, second = [starts[room_id] for room_id in sorted(starts)]
    closed, waiting = (first, second) if first.room.status is RoomStatus.CLOSED else (second, first)
    room = closed.room
    assert (room.subject, room.tags, room.source, room.started_at) == ("Order", ("vip",), "rocketchat", START)
    assert dict(room.custom_fields) == {"case": "A-1"}
    assert room.closed_at == START + timedelta(hours=1)
    assert closed.department is not None
    assert (closed.department.name, closed.department.routing) == ("Sales", RoutingMethod.MANUAL)
    assert waiting.room.status is RoomStatus.QUEUED
    sent = await messages.list_by_room(world.context.reader, room.id, after=0, limit=10)
    assert [(one.text, one.sender.type, one.sender.name) for one in sent] == [
        ("Hello", "VISITOR", "Vera"),
        ("Good day", "USER", "rc.anna"),
    ]
    assert [one.sent_at for one in sent] == [START, START + timedelta(minutes=1)]


async def test_a_closed_room_has_the_assignments_of_its_agents(
    world: World, source: RocketChatDatabase, mongodb_uri: str
) -> None:
    """u1 was alone with the visitor, then u4 joined, who has left the company, and u1 served it at the end."""
    left = {"_id": "u4", "username": "rc.ben", "roles": ["livechat-agent"], "active": False, "createdAt": START}
    joins = [("u1", 1), ("u4", 2), ("u1", 3)]
    times = [START + timedelta(minutes=minutes) for _, minutes in joins]
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        client[SOURCE][NAMES["users"]].insert_one(left)
        client[SOURCE][NAMES["messages"]].insert_many(
            [
                {"_id": f"j{number}", "rid": "r1", "t": "uj", "msg": "x", "ts": at, "u": {"_id": user}}
                for number, ((user, _), at) in enumerate(zip(joins, times, strict=True))
            ]
        )

    report = await run(world, source)

    room = await world.services.storage.database["rooms"].find_one({"subject": "Order"})
    assert room is not None
    assert (room["status"], room["servedById"]) == ("CLOSED", None)
    anna, ben = [await users.find_user(world.context, username=name) for name in ("rc.anna", "rc.ben")]
    assert anna is not None
    assert ben is not None
    assert room["lastServedById"] == anna.id
    served = await assignments.list_by_room(world.context.reader, room["_id"], after=0, limit=10)
    closed = START + timedelta(hours=1)
    assert [(one.agent.username, one.since, one.until, one.cause, one.end_cause) for one in served] == [
        ("rc.anna", times[0], times[1], "ASSIGNED", "TRANSFERRED"),
        ("rc.ben", times[1], times[2], "TRANSFERRED", "TRANSFERRED"),
        ("rc.anna", times[2], closed, "TRANSFERRED", "CLOSED"),
    ]
    assert anna.agent is not None
    assert (anna.agent.open_room_count, ben.active) == (0, False)
    assert ("rooms", "was served by a user who is no agent here") not in report.problems
    head = await world.head()
    await run(world, source)
    assert await world.head() == head


async def test_bots_are_not_assigned_the_rooms_that_are_imported(
    world: World, source: RocketChatDatabase, mongodb_uri: str
) -> None:
    """A bot is routable while it is OFFLINE."""
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        settings = client[SOURCE][NAMES["settings"]]
        settings.update_one({"_id": "Livechat_Routing_Method"}, {"$set": {"value": "Auto_Selection"}})
        update = {"$set": {"active": True, "roles": ["bot", "livechat-agent"]}}
        client[SOURCE][NAMES["users"]].update_one({"_id": "u2"}, update)
        client[SOURCE][NAMES["rooms"]].update_one({"_id": "r1"}, {"$unset": {"servedBy": ""}})
    began = await world.head()

    await run(world, source)

    async def routed() -> list[tuple[str | None, RoomStatus]]:
        facts = [fact for fact in await world.facts(began) if isinstance(fact, AgentAssigned)]
        return [(fact.room.room.subject, fact.room.room.status) for fact in facts]

    # The rooms of the past stay without an agent. The open one is offered to the bot when the import has ended.
    await until(routed)
    assert await routed() == [(None, RoomStatus.ASSIGNED)]
    bot = await users.find_user(world.context, username="rc.bot")
    assert bot is not None
    assert bot.agent is not None
    assert bot.agent.accepts_routing is True
    head = await world.head()
    await agents.update_agent(world.context, agent_id=bot.id, accepts_routing=False)
    await run(world, source)
    assert await world.head() == head + 1  # what was changed here since then stays


async def test_a_room_that_was_served_by_nobody_known_is_reported(
    world: World, source: RocketChatDatabase, mongodb_uri: str
) -> None:
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        for room, served_by in (("r1", "u2"), ("r2", "u1")):
            update = {"$set": {"servedBy": {"_id": served_by, "ts": START}}}
            client[SOURCE][NAMES["rooms"]].update_one({"_id": room}, update)

    report = await run(world, source)

    problems = {problem: examples for (kind, problem), (_, examples) in report.problems.items() if kind == "rooms"}
    assert problems["was served by a user who is no agent here"] == ["r1"]
    assert problems["is served in Rocket.Chat, and waits here"] == ["r2"]
    assert await world.services.storage.database["assignments"].find_one({}) is None


async def test_the_report_names_what_could_not_be_mapped(world: World, source: RocketChatDatabase) -> None:
    report = await run(world, source)

    assert {(kind, examples[0]) for (kind, _), (_, examples) in report.problems.items()} == {
        ("custom_fields", "plan"),
        ("custom_fields", "not a key"),
        ("departments", "d2"),
        ("users", "u3"),
        ("visitors", "v2"),
        ("rooms", "r2"),
        ("rooms", "r3"),
        ("messages", "m4"),
        ("messages", "m6"),
    }
    assert "users: has no username (1; for example u3)" in "\n".join(report.lines({k: k for k in NAMES}, dry_run=False))


async def test_a_repeated_import_creates_nothing_and_a_later_one_only_what_is_new(
    world: World, source: RocketChatDatabase, mongodb_uri: str
) -> None:
    await run(world, source)
    head = await world.head()

    again = await run(world, source)

    assert sum(again.imported.values()) == 0
    assert await world.head() == head
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        new = {"_id": "v9", "token": "rc-new", "name": "Nina", "ts": START}
        client[SOURCE][NAMES["visitors"]].insert_one(new)
    later = await run(world, source)
    assert dict(later.imported) == {"visitors": 1}
    assert await world.head() == head + 1


async def test_a_dry_run_writes_nothing(world: World, source: RocketChatDatabase) -> None:
    head = await world.head()

    report = await run(world, source, dry_run=True)

    assert await world.head() == head
    assert await world.services.storage.database["imports"].find_one({}) is None
    assert not world.context.reader.definition_cache.definitions(FieldTarget.VISITOR)
    assert (report.imported["users"], report.imported["messages"]) == (2, 2)
    assert report.problems == (await run(world, source)).problems
