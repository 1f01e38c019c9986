"""Measures what conversations cost in MongoDB: bytes of documents, bytes on disk, and documents written.

    python -m benchmarks.storage_size [--quick]

Starts a mongod and one server, and lets conversations start, be assigned, have ten messages and be closed.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database

from benchmarks.figures import Figure, record
from benchmarks.routing import Client
from benchmarks.sockets import server
from storage.embedded.replica_set import EmbeddedReplicaSet

NAME = "storage_size"
MESSAGES = 10
CONCURRENCY = 8
TEXT = "Where is my order? It was due on Monday, and nobody has called."
#: The collections that grow with conversations.
COLLECTIONS = ("rooms", "messages", "assignments", "log", "idempotency")


async def converse(client: Client) -> None:
    """One conversation. An agent with free capacity exists, so that the room is assigned at once."""
    started = await client.mutate("startRoom", "room { id }", visitorToken="v")
    room_id = started["room"]["id"]
    for _ in range(MESSAGES):
        await client.mutate("sendMessage", "message { id }", roomId=room_id, text=TEXT)
    await client.mutate("closeRoom", "room { id }", roomId=room_id)


async def prepare(client: Client) -> None:
    await client.mutate("saveVisitor", "visitor { id }", token="v", name="Ada")
    user = (await client.mutate("createUser", "user { id }", username="ann", roles=["bot"]))["user"]["id"]
    await client.mutate("addAgent", "agent { id }", userId=user)


async def main(conversations: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedReplicaSet(Path(folder), cache_gb=1) as mongod,
        server(mongod.uri, NAME) as (url, _),
        MongoClient[dict[str, Any]](mongod.uri) as mongo,
    ):
        client, database = Client(url), mongo[NAME]
        await prepare(client)
        facts, written = database["log"].estimated_document_count(), documents_written(mongo)
        for _ in range(conversations // CONCURRENCY):
            await asyncio.gather(*(converse(client) for _ in range(CONCURRENCY)))
        facts = database["log"].estimated_document_count() - facts
        written = documents_written(mongo) - written
        mongo.admin.command("fsync")  # a checkpoint, after which the sizes on disk are those of the data
        done = conversations // CONCURRENCY * CONCURRENCY
        record(Figure("documents written for each fact", written / facts, "documents", lower_is_better=True))
        kept = sum(database.command("collstats", name)["storageSize"] for name in COLLECTIONS) / done
        record(
            Figure(
                f"a conversation of {MESSAGES} messages: documents on disk, without indexes",
                kept,
                "B",
                lower_is_better=True,
            )
        )
        print(f"{done:,} conversations of {MESSAGES} messages: {facts / done:.1f} facts each")
        print(
            f"documents written: {written / done:.1f} a conversation, {written / facts:.1f} a fact, heartbeats included"
        )
        for name in COLLECTIONS:
            print(f"{name}: {sizes(database, name, done)}")
        print(f"a fact in the log: {database.command('collstats', 'log')['avgObjSize']} B as a document")


def documents_written(mongo: MongoClient[dict[str, Any]]) -> int:
    metrics = mongo.admin.command("serverStatus")["metrics"]["document"]
    return int(metrics["inserted"] + metrics["updated"] + metrics["deleted"])


def sizes(database: Database[dict[str, Any]], name: str, conversations: int) -> str:
    """The bytes of a collection for each conversation."""
    stats = database.command("collstats", name)
    parts = {"documents": "size", "on disk": "storageSize", "indexes on disk": "totalIndexSize"}
    return ", ".join(f"{stats[field] / conversations:,.0f} B {what}" for what, field in parts.items())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer conversations")
    asyncio.run(main(400 if parser.parse_args().quick else 4_000))
