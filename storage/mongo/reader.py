"""Reader: the first argument of reading functions."""

from typing import TYPE_CHECKING

from motor.motor_asyncio import AsyncIOMotorClientSession

from storage.mongo.connection import Collection, Database

if TYPE_CHECKING:
    from storage.custom_fields.definition_cache import DefinitionCache


class Reader:
    """The database, the definition cache, and the session of a transaction if there is one."""

    def __init__(self, database: Database, definition_cache: "DefinitionCache") -> None:
        self.database = database
        self.definition_cache = definition_cache
        #: None outside of a transaction, and before the first write of one.
        self.session: AsyncIOMotorClientSession | None = None

    def collection(self, name: str) -> Collection:
        return self.database[name]

    async def read_session(self) -> AsyncIOMotorClientSession | None:
        """The session to read with. Reads in it see the previous writes of the transaction."""
        return self.session
