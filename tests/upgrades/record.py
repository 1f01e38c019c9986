"""Records a small data set as a version of Switchboard writes it, for test_data_of_releases.py.

    python -m tests.upgrades.record TREE FILE

Starts the server of the source tree TREE over a new MongoDB, uses its API, and writes all documents and indexes, and
what the API answered, to FILE.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from bson import json_util
from pymongo import MongoClient

from storage.embedded.replica_set import EmbeddedReplicaSet
from tests.faults.clients import Client

DATABASE = "recorded"
ADMIN = "the-admin-token-of-the-recording"
SCOPES = ["events:read", "rooms:read", "users:read", "visitors:read", "messages:read", "rooms:write", "messages:write"]
EVENTS = 'subscription { events(consumer: "reader") { type } }'
ACKNOWLEDGE = 'mutation { ackEvents(input: {consumer: "reader", cursor: "CURSOR"}) { consumer { name } } }'
#: Written by the server itself for as long as it runs.
TRANSIENT = {"processes", "signals", "system.views"}


@contextmanager
def served(tree: Path, uri: str) -> Iterator[str]:
    settings = {"MONGODB_URI": uri, "DATABASE": DATABASE, "PORT": "0", "ADMIN_TOKEN": ADMIN, "LOG_LEVEL": "error"}
    environment = os.environ | {f"SWITCHBOARD_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "server", "serve"]
    with subprocess.Popen(command, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.search(r"GraphQL +(http://\S+)", line):
                    yield found[1]
                    break
        finally:
            process.terminate()


async def use(url: str) -> dict[str, Any]:
    """Users, agents, rooms, messages and a consumer. Returns what the test compares."""
    async with Client([url], ADMIN) as admin:
        send = admin.mutate
        await send("defineCustomField", "definition { id }", target="USER", key="staffId", type="TEXT", unique=True)
        await send("defineCustomField", "definition { id }", target="ROOM", key="orderId", type="NUMBER")
        await send("createRole", "role { name }", name="trainee")
        department = (await send("createDepartment", "department { id }", name="Sales"))["department"]["id"]
        made = await send("createApp", "token", name="reader", scopes=SCOPES)
        if "eraseVisitor" in await mutations(admin):  # since 0.2.0
            await erase_eve(admin)
        ann = await user(admin, "ann", "S-1")
        await user(admin, "ben", None)
        await send("addRoles", "user { id }", userId=ann, roles=["trainee", "bot"])
        await send("addAgent", "agent { id }", userId=ann, maxRooms=1, departmentIds=[department])
        await send("saveVisitor", "visitor { id }", token="ada", name="Ada")
        rooms = [await start(admin, f"room {number}", number, department) for number in range(2)]
        for text in ("Hello", "How are you?"):
            await send("sendMessage", "message { id }", roomId=rooms[0], text=text)
        async with httpx.AsyncClient(timeout=60, headers={"authorization": f"Bearer {made['token']}"}) as http:
            await consume(http, url)
            middle = await cursor(http, url)
            await post(
                http,
                url,
                ACKNOWLEDGE.replace("CURSOR", middle),
            )
        await send("closeRoom", "room { id }", roomId=rooms[0], comment="done")
        await start(admin, "room 2", 2, department)
        return {"token": made["token"], "cursor": middle, "events": await types_after(admin, middle)}


async def mutations(admin: Client) -> set[str]:
    """The names of the mutations that this version has."""
    found = await admin.send('{ __type(name: "Mutation") { fields { name } } }')
    return {field["name"] for field in found["__type"]["fields"]}


async def erase_eve(admin: Client) -> None:
    """A visitor with a conversation, a timer and app data, who is erased."""
    visitor = (await admin.mutate("saveVisitor", "visitor { id }", token="eve-token", name="Eve Secret"))["visitor"]
    room = (await admin.mutate("startRoom", "room { id }", visitorToken="eve-token", subject="Secret"))["room"]["id"]
    await admin.mutate("setTimer", "timer { name }", roomId=room, name="later", seconds=86_400)
    await admin.mutate("setAppData", "datum { key }", of={"roomId": room}, key="note", value={"text": "Secret"})
    await admin.mutate("sendMessage", "message { id }", roomId=room, text="Secret")
    await admin.mutate("closeRoom", "room { id }", roomId=room, comment="Secret")
    await admin.mutate("eraseVisitor", "visitor { id }", visitorId=visitor["id"])
    query = "query ($id: ID!) { visitor(by: { id: $id }) { erasure { doneAt } } }"
    while (await admin.send(query, id=visitor["id"]))["visitor"]["erasure"]["doneAt"] is None:  # noqa: ASYNC110
        await asyncio.sleep(0.1)


async def user(admin: Client, name: str, staff_id: str | None) -> str:
    fields = [{"key": "staffId", "value": staff_id}] if staff_id else []
    made = await admin.mutate(
        "createUser", "user { id }", username=name, name=name.title(), password="the password", customFields=fields
    )
    return str(made["user"]["id"])


async def start(admin: Client, subject: str, order: int, department: str) -> str:
    fields = [{"key": "orderId", "value": order}]
    made = await admin.mutate(
        "startRoom", "room { id }", visitorToken="ada", subject=subject, customFields=fields, departmentId=department
    )
    return str(made["room"]["id"])


async def post(http: httpx.AsyncClient, url: str, query: str) -> Any:
    answer = (await http.post(url, json={"query": query})).json()
    assert "errors" not in answer, answer
    return answer["data"]


async def cursor(http: httpx.AsyncClient, url: str) -> str:
    return str((await post(http, url, "{ eventCursor }"))["eventCursor"])


async def consume(http: httpx.AsyncClient, url: str) -> None:
    """Create the consumer: its subscription begins and ends."""
    async with http.stream("POST", url, json={"query": EVENTS}, headers={"accept": "text/event-stream"}) as stream:
        assert stream.status_code == 200
        while not (await post(http, url, "{ consumers { name } }"))["consumers"]:  # noqa: ASYNC110 - the server writes it
            await asyncio.sleep(0.1)


async def types_after(admin: Client, after: str) -> list[str]:
    page = await admin.send(
        "query ($after: Cursor) { events(after: $after, first: 50) { nodes { type } } }", after=after
    )
    return [node["type"] for node in page["events"]["nodes"]]


def documents(uri: str) -> dict[str, Any]:
    """All documents and indexes of the database."""
    with MongoClient[dict[str, Any]](uri, tz_aware=True) as mongo:
        database = mongo[DATABASE]
        names = sorted(set(database.list_collection_names()) - TRANSIENT)
        return {
            "documents": {name: list(database[name].find().sort("_id")) for name in names},
            "indexes": {name: list(database[name].list_indexes()) for name in names},
        }


def main() -> None:
    tree, file = Path(sys.argv[1]), Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder, EmbeddedReplicaSet(Path(folder), cache_gb=0.25) as mongod:
        with served(tree, mongod.uri) as url:
            answers = asyncio.run(use(url))
        recorded = {"answers": answers, **documents(mongod.uri)}
    file.write_text(json.dumps(json.loads(json_util.dumps(recorded)), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
