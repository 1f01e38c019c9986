"""Servers of this version read the data that each release wrote, whatever indexes and values it did not know."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from pymongo import IndexModel, MongoClient
from pymongo.database import Database

from server.app import start_services
from server.settings import Settings
from storage.mongo import data_version
from storage.mongo.indexes import INDEXES
from storage.runtime import Storage
from tests.conftest import ADMIN_TOKEN, served
from tests.faults.clients import Client
from tests.server.websocket_client import connected, receive, send

Documents = dict[str, Any]
RELEASES = sorted(Path(__file__).parent.glob("*.json"), key=lambda path: [int(part) for part in path.stem.split(".")])
OPTIONS: json_util.JSONOptions = json_util.JSONOptions(tz_aware=True)
USERS = """{
  users(first: 10) { nodes { username name roles { name } customFields { key value } agent { status openRoomCount } } }
  user(by: { customField: { key: "staffId", value: "S-1" } }) { username }
}"""
ROOMS = """{ rooms(first: 10) { nodes {
  subject status department { name } customFields { key value } servedBy { user { username } }
  lastServedBy { user { username } } visitor { name }
  messages(first: 10) { nodes { number text } }
} } }"""
LOG = "query ($after: Cursor) { events(after: $after, first: 50) { nodes { type sequence } } }"


def recorded(path: Path) -> Documents:
    """What a release recorded. All times are moved, as if it had been an hour ago."""
    data: Documents = json_util.loads(path.read_text(encoding="utf-8"), json_options=OPTIONS)
    age = datetime.now(UTC) - timedelta(hours=1) - max(entry["appendedAt"] for entry in data["documents"]["log"])
    moved: Documents = shifted(data, age)
    return moved


def shifted(value: Any, age: timedelta) -> Any:
    if isinstance(value, datetime):
        return value + age
    if isinstance(value, dict):
        return {key: shifted(each, age) for key, each in value.items()}
    if isinstance(value, list):
        return [shifted(each, age) for each in value]
    return value


def load(database: Database[Documents], data: Documents) -> None:
    for name, documents in data["documents"].items():
        if documents:
            database[name].insert_many(documents)
        indexes = [index for index in data["indexes"][name] if index["name"] != "_id_"]
        if indexes:
            database[name].create_indexes(
                [
                    IndexModel(list(index["key"].items()), **{k: v for k, v in index.items() if k not in ("v", "key")})
                    for index in indexes
                ]
            )


@contextmanager
def loaded(uri: str, name: str, data: Documents) -> Iterator[Database[Documents]]:
    """A database with the data, until the block ends."""
    with MongoClient[Documents](uri, tz_aware=True) as mongo:
        load(mongo[name], data)
        try:
            yield mongo[name]
        finally:
            mongo.drop_database(name)


def fields(node: Documents) -> Documents:
    return {field["key"]: field["value"] for field in node["customFields"]}


@pytest.mark.parametrize("path", RELEASES, ids=lambda path: path.stem)
async def test_data_of_a_release_are_complete(path: Path, mongodb_uri: str, database_name: str) -> None:
    data = recorded(path)
    answers = data["answers"]
    settings = Settings(database=database_name, admin_token=ADMIN_TOKEN)
    with loaded(mongodb_uri, database_name, data):
        async with (
            start_services(mongodb_uri, settings) as (services, _),
            served(services, settings) as url,
            Client([url]) as admin,
        ):
            users = await admin.send(USERS)
            rooms = {room["subject"]: room for room in (await admin.send(ROOMS))["rooms"]["nodes"]}
            later = (await admin.send(LOG, after=answers["cursor"]))["events"]["nodes"]
            login = await admin.mutate("login", "token", username="ann", password="the password")
            await admin.mutate("sendMessage", "message { number }", roomId=await room_id(admin, "room 1"), text="Again")
            closed = await admin.mutate(
                "closeRoom", "room { status }", roomId=await room_id(admin, "room 1"), comment="done"
            )
            delivered = await consumed(url, answers["token"], 2)
            queued = await until_assigned(admin, "room 2")

    people = {user["username"]: user for user in users["users"]["nodes"]}
    assert set(people) == {"ann", "ben"}
    assert fields(people["ann"]) == {"staffId": "S-1"}
    assert {role["name"] for role in people["ann"]["roles"]} == {"bot", "livechat-agent", "trainee"}
    assert people["ann"]["agent"] == {"status": "AVAILABLE", "openRoomCount": 1}
    assert people["ben"]["agent"] is None
    assert users["user"] == {"username": "ann"}

    assert {subject: room["status"] for subject, room in rooms.items() if subject} == {
        "room 0": "CLOSED",
        "room 1": "ASSIGNED",
        "room 2": "QUEUED",
    }
    erased = rooms.pop(None, None)
    assert (erased is not None) is ("erasures" in data["documents"])
    assert erased is None or (erased["status"], erased["visitor"], erased["messages"]["nodes"]) == (
        *("CLOSED", {"name": None}),
        [{"number": 1, "text": ""}],
    )
    assert [fields(rooms[f"room {number}"]) for number in range(3)] == [{"orderId": number} for number in range(3)]
    assert {(room["department"]["name"], room["visitor"]["name"]) for room in rooms.values()} == {("Sales", "Ada")}
    assert rooms["room 0"]["lastServedBy"] == rooms["room 1"]["servedBy"] == {"user": {"username": "ann"}}
    assert rooms["room 0"]["messages"]["nodes"] == [
        {"number": 1, "text": "Hello"},
        {"number": 2, "text": "How are you?"},
    ]

    (consumer,) = data["documents"]["consumers"]
    log = [
        (entry["fact"]["type"], entry["_id"]) for entry in data["documents"]["log"] if entry["_id"] > consumer["acked"]
    ]
    # The start of the server adds events about its own app.
    assert [(event["type"], event["sequence"]) for event in later][: len(log)] == log
    assert [name for name, _ in log][: len(answers["events"])] == answers["events"]
    # The consumer continues after what it acknowledged at the old version.
    assert delivered == answers["events"][:2]
    assert login["token"]
    assert closed == {"room": {"status": "CLOSED"}}
    assert queued == {"user": {"username": "ann"}}


async def room_id(client: Client, subject: str) -> str:
    query = "query ($subject: String!) { rooms(where: { subject: { eq: $subject } }) { nodes { id } } }"
    (room,) = (await client.send(query, subject=subject))["rooms"]["nodes"]
    return str(room["id"])


async def until_assigned(client: Client, subject: str) -> Any:
    """Who serves the room, once the queue has given it to an agent."""
    query = "query ($id: ID!) { room(by: { id: $id }) { servedBy { user { username } } } }"
    room = await room_id(client, subject)
    async with asyncio.timeout(60):
        while (served := (await client.send(query, id=room))["room"]["servedBy"]) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return served


async def consumed(url: str, token: str, count: int) -> list[str]:
    """The types of the next events of the consumer that the release has created."""
    async with connected(url, {"authorization": f"Bearer {token}"}) as socket:
        query = 'subscription { events(consumer: "reader") { type } }'
        await send(socket, id="1", type="subscribe", payload={"query": query})
        return [(await receive(socket))["payload"]["data"]["events"]["type"] for _ in range(count)]


@pytest.mark.parametrize("path", RELEASES, ids=lambda path: path.stem)
def test_no_release_recorded_what_it_has_erased(path: Path) -> None:
    assert "Secret" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", RELEASES, ids=lambda path: path.stem)
async def test_several_processes_upgrade_the_data_at_the_same_time(
    path: Path, mongodb_uri: str, database_name: str
) -> None:
    data = recorded(path)
    with loaded(mongodb_uri, database_name, data) as database:
        async with AsyncExitStack() as stack:
            opened = await asyncio.gather(
                *(stack.enter_async_context(Storage.open(mongodb_uri, database_name)) for _ in range(3)),
                return_exceptions=True,
            )
            version = await data_version.read(opened[0].database) if isinstance(opened[0], Storage) else None

        assert [type(one) for one in opened] == [Storage] * 3
        assert version == data_version.DATA_VERSION
        indexes = {name: set(database[name].index_information()) for name in INDEXES}
        expected = {name: {index.document["name"] for index in each} for name, each in INDEXES.items()}
        assert {name: names - indexes[name] for name, names in expected.items() if names - indexes[name]} == {}
        assert sorted(message["number"] for message in database["messages"].find({"text": {"$ne": ""}})) == [1, 2]
        counts = {room["subject"]: room.get("messageCount", 0) for room in database["rooms"].find() if room["subject"]}
        assert counts == {"room 0": 2, "room 1": 0, "room 2": 0}
        assert database["log"].count_documents({}) == len(data["documents"]["log"])
