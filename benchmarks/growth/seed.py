"""Fills a database with entities in the encoding of the server, and with copies of facts that a server recorded.

A database that was filled before is used again. MongoDB keeps the list of them in the database REGISTRY.
"""

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from pymongo import MongoClient
from pymongo.errors import AutoReconnect

from benchmarks.custom_fields import define, user
from benchmarks.growth.sizes import Sizes
from benchmarks.routing import Client
from benchmarks.sockets import server
from storage import entities, rooms, users, visitors
from storage.custom_fields.definition_cache import DefinitionCache
from storage.entities import Kind
from storage.filters.attributes import BOT_ROLE
from storage.log.log import Log
from storage.mongo import indexes
from storage.mongo.connection import Database, Document, new_id
from storage.mongo.reader import Reader
from storage.records import AgentProfile, Entity, Room, RoomStatus, User, Visitor

E = TypeVar("E", bound=Entity)

REGISTRY = "growth-seeds"
#: The version of what this module writes. Databases of another version are filled again.
VERSION = 1
CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)
#: Documents of one insert, and copies of the recorded conversation that MongoDB makes at once.
BATCH, COPIES = 2_000, 5_000
#: The collection with the recorded conversation, and how often MongoDB is asked for a copy of it.
RECORDED, ATTEMPTS = "recorded_facts", 3
#: The visitor in whose name measured rooms start. The others have one room each.
VISITOR = "measured"
MESSAGES = 10
TEXT = "Where is my order? It was due on Monday, and nobody has called."
#: Rooms whose field `topic` has the same value.
ROOMS_PER_TOPIC = 10
TOPIC = "topic"


class Progress:
    """Prints how far a step is: a bar on a terminal, and a line at its end elsewhere."""

    def __init__(self, what: str, count: int) -> None:
        self._what, self._count, self._began = what, count, time.perf_counter()

    def show(self, done: int) -> None:
        seconds = time.perf_counter() - self._began
        line = f"{self._what}: {done:,} of {self._count:,}, {seconds:.0f} s"
        if sys.stdout.isatty():
            print(f"\r  {line}", end="\n" if done >= self._count else "", flush=True)
        elif done >= self._count:
            print(f"  {line}", flush=True)


def seed(uri: str, sizes: Sizes) -> None:
    """Fill the database of these sizes, unless that was done."""
    with MongoClient[dict[str, Any]](uri) as mongo:
        registry = mongo[REGISTRY]["databases"]
        done = {"_id": sizes.database, "version": VERSION}
        if registry.find_one(done) is not None:
            return
        print(f"Filling {sizes.database}", flush=True)
        mongo.drop_database(sizes.database)
        with server(uri, sizes.database) as (url, _):
            departments = asyncio.run(configure(Client(url)))
        asyncio.run(fill(uri, sizes, *departments))
        registry.replace_one({"_id": sizes.database}, done, upsert=True)
        mongo.admin.command("fsync")  # a checkpoint, which a measurement would wait for


async def configure(client: Client) -> tuple[str, str]:
    """Create definitions, roles, departments and one whole conversation through the API.

    Returns the ids of the department whose agents serve its rooms, and of the one whose rooms wait.
    """
    await define(client)
    await client.mutate("defineCustomField", "definition { id }", target="ROOM", key=TOPIC, type="TEXT")
    created = [
        (await client.mutate("createDepartment", "department { id }", name=name, **fields))["department"]["id"]
        for name, fields in (("Sales", {}), ("Later", {"routing": "MANUAL"}))
    ]
    await client.mutate("saveVisitor", "visitor { id }", token=VISITOR, name="Ada Lovelace")
    made = await client.mutate("createUser", "user { id }", username="first", name="Grace Hopper", roles=[BOT_ROLE])
    await client.mutate("addAgent", "agent { id }", userId=made["user"]["id"], departmentIds=[created[0]])
    started = await client.mutate("startRoom", "room { id }", visitorToken=VISITOR, departmentId=created[0])
    room_id = started["room"]["id"]
    for number in range(MESSAGES):
        sender = {"as": {"visitorToken": VISITOR}} if number % 2 else {}
        await client.mutate("sendMessage", "message { id }", roomId=room_id, text=TEXT, **sender)
    await client.mutate("closeRoom", "room { id }", roomId=room_id)
    await client.mutate("removeAgent", "user { id }", userId=made["user"]["id"])
    await client.close()
    sales, later = (str(one).removeprefix("dep_") for one in created)
    return sales, later


async def fill(uri: str, sizes: Sizes, sales: str, later: str) -> None:
    async with Database(uri, sizes.database) as database:
        await database.measure_clock()
        definitions = DefinitionCache(database)
        await definitions.refresh()
        reader = Reader(database, definitions)
        agents = [agent(number, sizes, sales) for number in range(sizes.agents)]
        await insert(reader, users.KIND, agents, sizes.agents, "agents")
        await insert(reader, users.KIND, map(user, range(sizes.users)), sizes.users, "users")
        await insert(reader, visitors.KIND, map(visitor, range(sizes.rooms)), sizes.rooms, "visitors")
        visitor_ids = [
            document["_id"]
            async for document in reader.collection("visitors").find(
                {"token": {"$ne": VISITOR}}, {"_id": 1}, sort=[("_id", 1)], batch_size=BATCH
            )
        ]
        serving = [one.id for one in agents]
        made = (room(number, visitor_ids[number], serving, sales, later) for number in range(sizes.rooms))
        await insert(reader, rooms.KIND, made, sizes.rooms, "rooms")
        await copy_facts(database, uri, sizes.facts)


def agent(number: int, sizes: Sizes, department: str) -> User:
    """An agent that is offered rooms. Every second open room has an agent, in turn."""
    served = len(range(2 * number + 1, sizes.rooms, 2 * sizes.agents))
    like = user(number)
    profile = AgentProfile(open_room_count=served, department_ids=(department,), last_assigned_at=CREATED_AT)
    fields = {**like.custom_fields, "externalId": f"agent-{number:08}"}
    return User(
        id=new_id(CREATED_AT + timedelta(seconds=number)),
        version=1,
        fact_count=1,
        username=f"agent-{number:08}",
        name=f"Agent {number}",
        emails=(f"agent-{number}@example.org",),
        roles=(BOT_ROLE, *like.roles),
        custom_fields=fields,
        agent=profile,
        created_at=CREATED_AT,
        updated_at=CREATED_AT,
    )


def visitor(number: int) -> Visitor:
    return Visitor(
        id=new_id(CREATED_AT + timedelta(seconds=number)),
        version=1,
        fact_count=1,
        token=f"visitor-{number:08}",
        name=f"Visitor {number}",
        email=f"visitor-{number}@example.org",
        created_at=CREATED_AT,
    )


def room(number: int, visitor_id: str, agent_ids: list[str], sales: str, later: str) -> Room:
    """Rooms with even numbers wait, the others have an agent."""
    started = CREATED_AT + timedelta(days=1, seconds=number)
    waits = number % 2 == 0
    served_by = None if waits else agent_ids[number // 2 % len(agent_ids)]
    return Room(
        id=new_id(started),
        version=1,
        fact_count=1 if waits else 2,
        status=RoomStatus.QUEUED if waits else RoomStatus.ASSIGNED,
        revision=1 if waits else 2,
        visitor_id=visitor_id,
        department_id=later if waits else sales,
        served_by_id=served_by,
        last_served_by_id=served_by,
        subject=f"Order {number}",
        custom_fields={TOPIC: f"topic-{number // ROOMS_PER_TOPIC}"},
        started_at=started,
        queued_at=started if waits else None,
        last_queued_at=started,
        assigned_at=None if waits else started,
    )


async def insert(reader: Reader, kind: Kind[E], made: Iterable[E], count: int, what: str) -> None:
    """Insert entities as the server stores them."""
    collection, progress, done = reader.collection(kind.collection), Progress(what, count), 0
    for batch in batched(made, BATCH):
        await collection.insert_many([entities.encode(reader, kind, one) for one in batch], ordered=False)
        done += len(batch)
        progress.show(done)


def batched(values: Iterable[E], size: int) -> Iterator[list[E]]:
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch


async def copy_facts(database: Database, uri: str, count: int) -> None:
    """Fill the log with copies of the facts of the recorded conversation, each conversation in a room of its own.

    MongoDB copies them, and indexes them at the end, which is faster than the reverse.
    """
    log = database["log"]
    facts = await log.find({"fact.room": {"$exists": True}}, sort=[("_id", 1)]).to_list(None)
    head = await Log(database).head()
    copies = -(-(count - head) // len(facts))
    if copies <= 0:
        return
    recorded = database.raw[RECORDED]
    await recorded.insert_many([{**fact, "_id": place} for place, fact in enumerate(facts)])
    await log.drop_indexes()
    progress = Progress("facts", copies * len(facts))
    for first in range(0, copies, COPIES):
        until = min(first + COPIES, copies)
        await asyncio.to_thread(copy, uri, database.raw.name, first, until, len(facts), head)
        progress.show(until * len(facts))
    await recorded.drop()
    began = time.perf_counter()
    await indexes.ensure(database)
    print(f"  indexes of the log: {time.perf_counter() - began:.0f} s", flush=True)


def copy(uri: str, name: str, first: int, until: int, facts: int, head: int) -> None:
    """Add these copies to the log. A copy that MongoDB interrupts is made again."""
    with MongoClient[dict[str, Any]](uri) as mongo:
        for attempt in range(ATTEMPTS):
            try:
                mongo[name][RECORDED].aggregate(copying(first, until, facts, head))
            except AutoReconnect:
                if attempt + 1 == ATTEMPTS:
                    raise
                mongo[name]["log"].delete_many({"_id": {"$gt": head + first * facts}})
            else:
                return


def copying(first: int, until: int, facts: int, head: int) -> list[Document]:
    """The stages that add these copies to the log: new numbers, and new ids of room, fact and message."""
    suffix = {"$substrBytes": [{"$toString": {"$add": [10**10, "$copy"]}}, 1, 10]}

    def with_suffix(path: str) -> Document:
        """The id at this path, with the number of the copy in place of its last ten characters."""
        rest = {"$substrBytes": [path, 26, -1]}
        return {"$concat": [{"$substrBytes": [path, 0, 16]}, suffix, rest]}

    message: Document = {
        "$mergeObjects": [
            "$fact.message",
            {"id": with_suffix("$fact.message.id"), "roomId": with_suffix("$fact.message.roomId")},
        ]
    }
    without = {"$eq": [{"$type": "$fact.message"}, "missing"]}
    return [
        {"$set": {"copy": {"$range": [first, until]}}},
        {"$unwind": "$copy"},
        {
            "$set": {
                "_id": {"$add": [head + 1, {"$multiply": ["$copy", facts]}, "$_id"]},
                "appendedAt": "$$NOW",
                "fact.id": with_suffix("$fact.id"),
                "fact.room.room.id": with_suffix("$fact.room.room.id"),
                "fact.message": {"$cond": [without, "$$REMOVE", message]},
            }
        },
        {"$unset": "copy"},
        {"$merge": {"into": "log", "on": "_id", "whenMatched": "fail", "whenNotMatched": "insert"}},
    ]
