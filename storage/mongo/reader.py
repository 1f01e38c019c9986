"""What reading functions take first: the database, the definition cache and the session of a transaction."""

from typing import TYPE_CHECKING

from motor.motor_asyncio import AsyncIOMotorClientSession

from storage.mongo.connection import Collection, Database

if TYPE_CHECKING:
    from storage.custom_fields.definition_cache import DefinitionCache


class Reader:
    """What reading functions take first."""

    def __init__(self, database: Database, definition_cache: "DefinitionCache") -> None:
        self.database = database
        self.definition_cache = definition_cache
        #: None outside of transactions, and in one before its first write.
        self.session: AsyncIOMotorClientSession | None = None

    def collection(self, name: str) -> Collection:
        return self.database[name]

    async def read_session(self) -> AsyncIOMotorClientSession | None:
        """The session to read with, in which everything that was written before shows."""
        return self.session
