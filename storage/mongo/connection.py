"""The connection to MongoDB: its client, its collections, ids, and the classification of its errors."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from types import TracebackType
from typing import Any, Self, TypeAlias

import msgspec
import pymongo
from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.int64 import Int64
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import WriteConcern
from pymongo.errors import ConfigurationError, ConnectionFailure, OperationFailure, PyMongoError
from pymongo.monitoring import CommandListener
from pymongo.read_concern import ReadConcern
from pymongo.topology_description import TopologyDescription
from typing_extensions import override
from ulid import ULID

from storage import threads
from storage.entity_cache import EntityCache
from storage.errors import Unavailable
from storage.mongo import direct_writes, pipelines
from storage.mongo.batch_loading import BatchLoaders
from storage.mongo.clock import Clock
from storage.mongo.deadlines import BoundedCollection
from storage.mongo.direct_commands import DirectCommands
from storage.mongo.local_commits import LocalCommit
from storage.mongo.scans import Scans
from storage.mongo.shared_reads import SharedReads
from storage.mongo.undecodable import Undecodable
from storage.recent_entities import RecentEntities
from storage.timings import DEFAULT_TIMINGS, Timings

Document: TypeAlias = dict[str, Any]
Collection: TypeAlias = AsyncIOMotorCollection[Document]

INTERRUPTED = 11_601
QUERY_PLAN_KILLED = 175

UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_UNIX_EPOCH = UNIX_EPOCH.replace(tzinfo=None)
MILLISECOND = timedelta(milliseconds=1)
_BUILTIN_TYPES = (datetime,)
#: The characters of an id that encode its time. The other 16 are random.
ID_TIME_CHARACTERS = 10
NAMESPACE_EXISTS = 48
#: The interval of checks for a primary.
PRIMARY_POLL_SECONDS = 0.05
#: The batch size of reads, so that a page is one round trip. By default the first batch has 101 documents. MongoDB ends
#: a batch at 16 MB anyway.
MAX_BATCH_ROWS = 100_000

#: With these options the driver detects a frozen primary in about three seconds. By default it takes 26.
CONNECTION_OPTIONS: Mapping[str, Any] = {
    "connectTimeoutMS": 2_000,
    "heartbeatFrequencyMS": 1_000,
    "serverMonitoringMode": "poll",
    # The driver waits for a primary on a thread. retries.py waits longer without one.
    "serverSelectionTimeoutMS": 2_000,
    "retryWrites": True,
    "retryReads": True,
    # Overrides the URI: reads from secondaries may be stale.
    "readPreference": "primary",
    "appname": "switchboard",
}
#: The time limit of closing the connection.
CLOSE_SECONDS = 0.5

COLLECTIONS = (
    "acknowledgements",
    "app_data",
    "apps",
    "assignments",
    "consumers",
    "custom_fields",
    "departments",
    "erasures",
    "idempotency",
    "imports",
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
    "samples",
    "signals",
    "timers",
    "tokens",
    "users",
    "versions",
    "visitors",
    "webhook_deliveries",
    "webhooks",
)
#: A failover cannot roll back what is read.
READ_CONCERN = ReadConcern("majority")


class _Int64Decoder(TypeDecoder):
    """Decodes 64-bit integers as int instead of the driver's own type."""

    bson_type = Int64

    @override
    def transform_bson(self, value: int) -> int:
        return int(value)


class _DatetimeDecoder(TypeDecoder):
    """Decodes dates as aware datetimes. The driver's option for that takes six times as long for each."""

    bson_type = datetime

    @override
    def transform_bson(self, value: datetime) -> datetime:
        return UNIX_EPOCH + (value - _NAIVE_UNIX_EPOCH)


#: How documents are decoded.
CODEC = CodecOptions[Document](tz_aware=False, type_registry=TypeRegistry([_Int64Decoder(), _DatetimeDecoder()]))


class Database:
    """The MongoDB database of this deployment.

    Reads have read concern majority, so that a failover cannot roll back what was read. Writes are acknowledged by a
    majority.
    """

    def __init__(
        self,
        uri: str,
        name: str,
        *,
        listeners: tuple[CommandListener, ...] = (),
        clock: Clock | None = None,
        timings: Timings = DEFAULT_TIMINGS,
    ) -> None:
        self.clock = clock or Clock()
        self.timings = timings
        self.undecodable = Undecodable()
        self.client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
            uri, **CONNECTION_OPTIONS, event_listeners=list(listeners)
        )
        database = self.client.get_database(
            name,
            codec_options=CODEC,
            read_concern=READ_CONCERN,
            write_concern=WriteConcern(w="majority"),
        )
        self._collections: dict[str, Collection] = {
            name: BoundedCollection(
                database,  # type: ignore[arg-type] # the stubs type it wrongly: it is Motor's
                name,
                codec_options=CODEC,
                read_concern=READ_CONCERN,
                write_concern=WriteConcern(w="majority"),
            )
            for name in COLLECTIONS
        }
        self.raw = database
        # Command listeners receive the commands of the driver alone.
        self.direct_commands = DirectCommands(self.client.delegate, name, enabled=not listeners)
        self.batch_loaders = BatchLoaders()
        self.scans = Scans(self.client)
        self.shared_reads = SharedReads()
        self.entity_cache = EntityCache()
        self.recent_entities = RecentEntities()
        self._described: object = None
        self._has_primary = False

    @property
    def has_primary(self) -> bool:
        """Whether the driver knows a server that accepts writes. Sends nothing."""
        description: TopologyDescription = self.client.delegate.topology_description
        if description is not self._described:
            self._described, self._has_primary = description, description.has_writable_server()
        return self._has_primary

    @property
    def has_one_server(self) -> bool:
        """Whether the driver knows one server of the replica set. Sends nothing."""
        return len(self.client.delegate.topology_description.server_descriptions()) == 1

    async def wait_for_primary(self) -> None:
        """Return when the driver knows a primary. It discovers servers from the first command on."""
        while not self.has_primary:  # noqa: ASYNC110 - it is found on threads of the driver's
            await asyncio.sleep(PRIMARY_POLL_SECONDS)

    @property
    def collection_names(self) -> tuple[str, ...]:
        return COLLECTIONS

    async def create_collection(self, name: str) -> None:
        """Create an empty collection unless it exists."""
        try:
            # Without the check, MongoDB lists no collections first, and refuses one that exists.
            await self.raw.create_collection(name, check_exists=False)
        except OperationFailure as error:
            if error.code != NAMESPACE_EXISTS:
                raise

    def __getitem__(self, name: str) -> Collection:
        return self._collections[name]

    async def run(self, command: Document, *, behind: Sequence[LocalCommit] = ()) -> Document:
        """Run a command outside of a transaction in one round trip, once. Raises its error.

        With `behind`, it is executed behind these commits. Raises NotBehind if that is not certain.
        """
        client, name = self.client.delegate, self.raw.name
        replies = await direct_writes.run(self.direct_commands, client, name, [command], behind=behind)
        if replies is None:
            replies = await threads.run(lambda: pipelines.run(client, name, [command]))
        (reply,) = replies
        if isinstance(reply, PyMongoError):
            raise reply
        return reply

    def now(self) -> datetime:
        """The current time of the database."""
        return self.clock.now()

    async def measure_clock(self) -> None:
        """Measure the clock of the database."""
        await self.clock.measure(self._ask_time)

    async def tick(self) -> None:
        """Update the clock. Call it every TICK_SECONDS."""
        await self.clock.tick(self._ask_time)

    async def _ask_time(self) -> datetime:
        answer: Document = await self.raw.command("hello")
        local_time: datetime = answer["localTime"]
        # The driver returns it in UTC without a time zone, which counts as the machine's.
        return local_time.replace(tzinfo=UTC)

    async def describe_server(self) -> tuple[str, int]:
        """The version of MongoDB, and the number of members of its replica set; 1 for a sharded cluster's router."""
        build, hello = await self.raw.command("buildInfo"), await self.raw.command("hello")
        return str(build["version"]), len(hello.get("hosts", ())) or 1

    def connections(self) -> tuple[int, int]:
        """The connections of the driver to all servers: those that are in use, and idle ones."""
        pools = [server.pool for server in self.client.delegate._topology._servers.values()]
        idle = self.direct_commands.idle
        return sum(pool.active_sockets for pool in pools) - idle, sum(len(pool.conns) for pool in pools) + idle

    async def ping(self) -> None:
        """Raise Unavailable unless the primary answers."""
        try:
            await self.raw.command("ping")
        except PyMongoError as error:
            raise Unavailable("The database does not answer.", retryable=True) from error

    def close(self) -> None:
        self.direct_commands.close()
        # The driver first ends its sessions at the server.
        with pymongo.timeout(CLOSE_SECONDS):
            self.client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def to_unavailable(error: BaseException) -> Unavailable | None:
    """The Unavailable error for a transient error of a read, or None for other errors."""
    if isinstance(error, PyMongoError) and is_transient(error):
        return Unavailable("The database did not answer in time; try again.", retryable=True)
    return None


def is_transient(error: PyMongoError) -> bool:
    """Whether a retry may succeed: after a write conflict, a failover or a broken connection."""
    return (
        # The driver raises ConfigurationError when a node that has just started does not report sessions yet.
        isinstance(error, ConnectionFailure | ConfigurationError)
        or error.timeout
        or error.has_error_label("TransientTransactionError")
        or error.has_error_label("RetryableWriteError")
        or is_session_killed(error)
        or is_query_plan_killed(error)
    )


def too_large(error: PyMongoError) -> bool:
    """Whether a transaction exceeded its share of the database's cache."""
    details = error.details if isinstance(error, OperationFailure) else None
    return details is not None and details.get("codeName") == "TransactionTooLargeForCache"


def is_session_killed(error: PyMongoError) -> bool:
    """Whether the session was killed, as by a process that considers this one dead."""
    return isinstance(error, OperationFailure) and error.code == INTERRUPTED


def is_query_plan_killed(error: BaseException) -> bool:
    """Whether a read failed because the index that it used was dropped. A retry uses another index."""
    return isinstance(error, OperationFailure) and error.code == QUERY_PLAN_KILLED


def new_id(now: datetime) -> str:
    """A new id. It sorts after the ids of earlier milliseconds."""
    return str(ULID.from_timestamp((now - UNIX_EPOCH) // MILLISECOND))


def id_range(time: datetime) -> tuple[str, str]:
    """The lowest and the highest id of a millisecond."""
    prefix = new_id(max(time, UNIX_EPOCH))[:ID_TIME_CHARACTERS]
    return f"{prefix}{'0' * 16}", f"{prefix}{'Z' * 16}"


def to_builtins(value: object) -> Any:
    """Convert a value to types that MongoDB stores. Records become dicts with camelCase keys."""
    return msgspec.to_builtins(value, builtin_types=(datetime,))


def from_builtins(value: Any, kind: Any) -> Any:
    """The inverse of to_builtins. Ignores keys that the record does not have."""
    if isinstance(kind, type):
        return msgspec.convert(value, kind, builtin_types=_BUILTIN_TYPES)
    return msgspec.convert((value,), _holder(kind), builtin_types=_BUILTIN_TYPES).value


@cache
def _holder(kind: Any) -> Any:
    """A record with one value of this kind. msgspec analyzes a class once, but a union of facts in every call."""
    return msgspec.defstruct("Holder", [("value", kind)], array_like=True)


def to_document(record: msgspec.Struct, *, id_key: str = "_id") -> Document:
    """Convert a record to a document with camelCase keys and its id at `id_key`."""
    document: Document = to_builtins(record)
    if id_key != "id":
        document[id_key] = document.pop("id")
    return document


def to_record(document: Document, kind: Any) -> Any:
    """The inverse of to_document. Ignores keys that the record does not have."""
    if "_id" in document:
        document["id"] = document.pop("_id")
    return from_builtins(document, kind)
