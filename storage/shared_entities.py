"""Reads of entities by id that concurrent callers of one process share, in one query for each kind.

Results are not cached: every entity is read after it was requested.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from storage import apps, departments, messages, roles, rooms, users, visitors
from storage.custom_fields import definitions
from storage.mongo.deadlines import READ_SECONDS, time_limit
from storage.mongo.reader import Reader
from storage.threads import Work

T = TypeVar("T")
Read = Callable[[Reader, Iterable[str]], Awaitable[dict[str, T]]]


def _shared(name: str, read: Read[T]) -> Read[T]:
    async def read_shared(reader: Reader, ids: Iterable[str]) -> dict[str, T]:
        reader_without_session = Reader(reader.database, reader.definition_cache)

        async def read_batch(batch: Iterable[str]) -> dict[str, T]:
            with time_limit(READ_SECONDS):
                return await read(reader_without_session, batch)

        loader = reader.database.batch_loaders.loader(("shared", name), read_batch, kind=Work.READS)
        return await loader.load_many(ids)

    return read_shared


#: Each returns the entities with those ids, by id. Those that do not exist are absent.
get_rooms = _shared("rooms", rooms.get_many)
get_messages = _shared("messages", messages.get_many)
get_users = _shared("users", users.get_many)
get_visitors = _shared("visitors", visitors.get_many)
get_departments = _shared("departments", departments.get_many)
get_roles = _shared("roles", roles.get_many_by_id)
get_definitions = _shared("custom field definitions", definitions.get_many)
get_apps = _shared("apps", apps.get_many)
