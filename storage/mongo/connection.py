"""The connection to MongoDB: its client, collections and read views; writing is in transactions/transaction.py."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeAlias

import msgspec
import pymongo
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.int64 import Int64
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import WriteConcern
from pymongo.errors import CollectionInvalid, ConfigurationError, ConnectionFailure, OperationFailure, PyMongoError
from pymongo.monitoring import CommandListener
from pymongo.read_concern import ReadConcern
from pymongo.topology_description import TopologyDescription
from typing_extensions import override
from ulid import ULID

from storage.errors import Unavailable
from storage.mongo.batch_loading import BatchLoaders
from storage.mongo.clock import Clock
from storage.mongo.deadlines import BoundedCollection
from storage.mongo.scans import Scans
from storage.mongo.shared_reads import SharedReads
from storage.mongo.undecodable import Undecodable

Document: TypeAlias = dict[str, Any]
Collection: TypeAlias = AsyncIOMotorCollection[Document]

INTERRUPTED = 11_601
QUERY_PLAN_KILLED = 175

UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
#: Of the 26 characters of an id; the other 16 are random.
ID_TIME_CHARACTERS = 10
NAMESPACE_EXISTS = 48
#: How often it is looked whether there is a primary again.
PRIMARY_POLL_SECONDS = 0.05
#: Rows of a page, or of what is read at once, come in one answer: by default MongoDB sends the first 101 alone. An
#: answer ends at 16 MB anyway.
MAX_BATCH_ROWS = 100_000

#: A primary that froze is given up after about three seconds; with the driver's defaults it takes 26.
CONNECTION_OPTIONS: Mapping[str, Any] = {
    "connectTimeoutMS": 2_000,
    "heartbeatFrequencyMS": 1_000,
    "serverMonitoringMode": "poll",
    # Waiting for a primary takes a thread; where it may last, it is waited for in retries.py.
    "serverSelectionTimeoutMS": 2_000,
    "retryWrites": True,
    "retryReads": True,
    # Whatever a URI asks for: elsewhere one would read what was true a while ago.
    "readPreference": "primary",
    "tz_aware": True,
    "tzinfo": UTC,
    "appname": "switchboard",
}
#: How long a database that does not answer is waited for when the connection is closed.
CLOSE_SECONDS = 0.5

COLLECTIONS = (
    "apps",
    "consumers",
    "custom_fields",
    "departments",
    "idempotency",
    "leases",
    "log",
    "messages",
    "outbox",
    "passwords",
    "processes",
    "removals",
    "roles",
    "rooms",
    "rules",
    "tokens",
    "users",
    "versions",
    "visitors",
)


class _Int64Decoder(TypeDecoder):
    """What does not fit 32 bits comes as an int like any other: nobody but the driver knows the type of its own."""

    bson_type = Int64

    @override
    def transform_bson(self, value: int) -> int:
        return int(value)


_CODEC = CodecOptions[Document](tz_aware=True, tzinfo=UTC, type_registry=TypeRegistry([_Int64Decoder()]))


class Database:
    """One MongoDB database, in which everything Switchboard knows is kept.

    Reads see what a majority of the replica set holds, so that nothing that was read can be undone by a failover;
    writes are acknowledged by a majority.
    """

    def __init__(
        self, uri: str, name: str, *, listeners: tuple[CommandListener, ...] = (), clock: Clock | None = None
    ) -> None:
        self.clock = clock or Clock()
        self.undecodable = Undecodable()
        self.client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
            uri, **CONNECTION_OPTIONS, event_listeners=list(listeners)
        )
        database = self.client.get_database(
            name,
            codec_options=_CODEC,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern(w="majority"),
        )
        self._collections: dict[str, Collection] = {
            name: BoundedCollection(
                database,  # type: ignore[arg-type] # Motor's, whatever the stubs say
                name,
                codec_options=_CODEC,
                read_concern=ReadConcern("majority"),
                write_concern=WriteConcern(w="majority"),
            )
            for name in COLLECTIONS
        }
        self.raw = database
        self.batch_loaders = BatchLoaders()
        self.scans = Scans(self.client)
        self.shared_reads = SharedReads()
        self._described: object = None
        self._has_primary = False

    @property
    def has_primary(self) -> bool:
        """Whether the driver knows of a server that takes writes; asks nothing of any."""
        description: TopologyDescription = self.client.delegate.topology_description
        if description is not self._described:
            self._described, self._has_primary = description, description.has_writable_server()
        return self._has_primary

    async def wait_for_primary(self) -> None:
        """Return when there is one, of a database that was asked something before."""
        while not self.has_primary:  # noqa: ASYNC110 - it is found on threads of the driver's
            await asyncio.sleep(PRIMARY_POLL_SECONDS)

    @property
    def collection_names(self) -> tuple[str, ...]:
        """The names of all collections."""
        return COLLECTIONS

    async def create_collection(self, name: str) -> None:
        """Create an empty collection, unless another process was quicker."""
        try:
            await self.raw.create_collection(name)
        except CollectionInvalid:
            pass
        except OperationFailure as error:
            if error.code != NAMESPACE_EXISTS:
                raise

    def __getitem__(self, name: str) -> Collection:
        return self._collections[name]

    def now(self) -> datetime:
        """The present by the clock of the database."""
        return self.clock.now()

    async def measure_clock(self) -> None:
        """Measure how far the clock of the database is from this process's."""
        await self.clock.measure(self._ask_time)

    async def tick(self) -> None:
        """Keep the clock; to be called every TICK_SECONDS."""
        await self.clock.tick(self._ask_time)

    async def _ask_time(self) -> datetime:
        answer: Document = await self.raw.command("hello")
        told: datetime = answer["localTime"]
        return told

    async def ping(self) -> None:
        """Raise Unavailable unless the primary answers."""
        try:
            await self.raw.command("ping")
        except PyMongoError as error:
            raise Unavailable("The database does not answer.", retryable=True) from error

    def close(self) -> None:
        # Its sessions are ended at the server first, for which the driver would wait as long as for anything else.
        with pymongo.timeout(CLOSE_SECONDS):
            self.client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def to_unavailable(error: BaseException) -> Unavailable | None:
    """What to tell of an error of the driver that somebody met while reading, if it is one that may pass."""
    if isinstance(error, PyMongoError) and is_transient(error):
        return Unavailable("The database did not answer in time; try again.", retryable=True)
    return None


def is_transient(error: PyMongoError) -> bool:
    """Whether the same thing may go well in a moment: a write conflict, a failover, a broken connection."""
    return (
        # A node that came up a moment ago may say that it knows no sessions: for the driver, the wrong configuration.
        isinstance(error, ConnectionFailure | ConfigurationError)
        or error.timeout
        or error.has_error_label("TransientTransactionError")
        or error.has_error_label("RetryableWriteError")
        or is_session_killed(error)
        or is_query_plan_killed(error)
    )


def too_large(error: PyMongoError) -> bool:
    """Whether a transaction took more of the database's cache than one may."""
    details = error.details if isinstance(error, OperationFailure) else None
    return details is not None and details.get("codeName") == "TransactionTooLargeForCache"


def is_session_killed(error: PyMongoError) -> bool:
    """Whether somebody ended the session in the middle of it: another process, that took this one for dead."""
    return isinstance(error, OperationFailure) and error.code == INTERRUPTED


def is_query_plan_killed(error: BaseException) -> bool:
    """Whether a read was cut short because an index that it used was dropped: read again, it uses another."""
    return isinstance(error, OperationFailure) and error.code == QUERY_PLAN_KILLED


def new_id(moment: datetime) -> str:
    """An id that sorts after those of earlier moments."""
    return str(ULID.from_timestamp((moment - UNIX_EPOCH) // MILLISECOND))


def id_range(moment: datetime) -> tuple[str, str]:
    """The first and the last id that can be made in that millisecond."""
    made_then = new_id(max(moment, UNIX_EPOCH))[:ID_TIME_CHARACTERS]
    return f"{made_then}{'0' * 16}", f"{made_then}{'Z' * 16}"


def to_builtins(value: object) -> Any:
    """The value as MongoDB can hold it: records become dicts with camelCase keys."""
    return msgspec.to_builtins(value, builtin_types=(datetime,))


def from_builtins(value: Any, kind: Any) -> Any:
    """The value that to_builtins took; keys unknown to a record are left out."""
    return msgspec.convert(value, kind, builtin_types=(datetime,))


def to_document(record: msgspec.Struct, *, id_key: str = "_id") -> Document:
    """The record with camelCase keys, its id under `id_key`."""
    document: Document = to_builtins(record)
    if id_key != "id":
        document[id_key] = document.pop("id")
    return document


def to_record(document: Document, kind: Any) -> Any:
    """The record that to_document made; keys unknown to the record are left out."""
    if "_id" in document:
        document["id"] = document.pop("_id")
    return from_builtins(document, kind)
