"""Reads the database of a Rocket.Chat server. It writes nothing there."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ASCENDING
from pymongo.errors import PyMongoError

from storage.embedded.preflight import DeploymentError
from storage.mongo.connection import CODEC, Document
from storage.uris import redact

#: How long to wait for a server of the source.
CONNECT_MS = 10_000
#: Documents of one read. A message has up to some kilobytes.
BATCH = 200
#: The collections that are read, by the names of the importer.
NAMES = {
    "settings": "rocketchat_settings",
    "roles": "rocketchat_roles",
    "custom_fields": "rocketchat_livechat_custom_field",
    "departments": "rocketchat_livechat_department",
    "department_agents": "rocketchat_livechat_department_agents",
    "users": "users",
    "visitors": "rocketchat_livechat_visitor",
    "rooms": "rocketchat_room",
    "messages": "rocketchat_message",
}


class RocketChatDatabase:
    """The database of a Rocket.Chat server."""

    def __init__(self, client: AsyncIOMotorClient[Document], name: str | None) -> None:
        database = client.get_default_database(name or "rocketchat", codec_options=CODEC)
        self._database = client.get_database(name, codec_options=CODEC) if name else database

    @classmethod
    @asynccontextmanager
    async def open(cls, uri: str, name: str | None = None) -> AsyncIterator[Self]:
        """Connect. The name is that of the URI, or "rocketchat". Raises DeploymentError."""
        try:
            client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(uri, serverSelectionTimeoutMS=CONNECT_MS)
        except (PyMongoError, ValueError) as error:
            raise DeploymentError(f"{redact(uri)} is not the URI of a MongoDB: {error}") from None
        try:
            source = cls(client, name)
            if "users" not in await source._database.list_collection_names():
                raise DeploymentError(
                    f"The database {source._database.name} at {redact(uri)} is not that of a Rocket.Chat server: it "
                    "has no collection users. Name the database in the path of the URI."
                )
            yield source
        except PyMongoError as error:
            raise DeploymentError(f"The MongoDB at {redact(uri)} does not answer: {error}") from None
        finally:
            client.close()

    async def count(self, name: str, query: Document) -> int:
        return int(await self._database[NAMES[name]].count_documents(query))

    async def batches(
        self, name: str, query: Document, *, sort: Sequence[str] = ("_id",)
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield the documents that match, in batches, in this order."""
        found = self._database[NAMES[name]].find(query, sort=[(key, ASCENDING) for key in sort], batch_size=BATCH)
        try:
            while batch := await found.to_list(BATCH):
                yield batch
        finally:
            await found.close()

    async def setting(self, name: str) -> object:
        """The value of a setting. None if it is not stored."""
        document = await self._database[NAMES["settings"]].find_one({"_id": name}, {"value": 1})
        return None if document is None else document.get("value")
