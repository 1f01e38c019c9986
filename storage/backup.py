"""Backups: all documents and indexes of a database at one point in time, in one compressed file.

The file is a gzip stream of parts. A part is a letter and a BSON document: the header (H), for each collection its name
and indexes (C) and its documents (D), and the end (E) with the number of documents. A file without its end is refused.
"""

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, WriteConcern
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from storage.embedded.preflight import to_deployment_error
from storage.errors import DeploymentError
from storage.mongo.connection import COLLECTIONS
from storage.mongo.data_version import DATA_VERSION, RESTORING
from storage.uris import redact

FORMAT: Final = 1
#: Documents of running processes, which mean nothing after them.
TRANSIENT: Final = frozenset({"leases", "processes", "signals"})
SAVED: Final = tuple(name for name in COLLECTIONS if name not in TRANSIENT)
#: MongoDB's largest document with what it adds to one itself.
MAX_DOCUMENT_BYTES: Final = 17 * 1024 * 1024
#: The limits of one insert.
BATCH_DOCUMENTS, BATCH_BYTES = 1_000, 8 * 1024 * 1024
SNAPSHOT_ERRORS: Final = (239, 246)
HEADER, COLLECTION, DOCUMENT, END = b"H", b"C", b"D", b"E"

Raw = RawBSONDocument


@dataclass(frozen=True, slots=True)
class Saved:
    """What a backup contains."""

    documents: int
    database: str
    data_version: int


# ---------------------------------------------------------------- writing


def write(uri: str, database: str, path: Path) -> Saved:
    """Write a backup to a new file, which only its owner can read. Raises DeploymentError, and OSError for the file.

    Servers may be running. The file appears under its name when it is complete.
    """
    if path.exists():
        raise DeploymentError(f"{path} exists already: name a new file.")
    partial = path.with_name(f"{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with (
            os.fdopen(descriptor, "wb") as raw,
            gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6) as file,
            _client(uri) as client,
        ):
            saved = _write(client[database], file)
        _synchronize(partial)
        os.link(partial, path)  # unlike a rename, refuses to replace a file
    except FileExistsError:
        raise DeploymentError(f"{path} exists already: name a new file.") from None
    except OperationFailure as error:
        if error.code in SNAPSHOT_ERRORS:
            raise DeploymentError(
                "The backup took longer than MongoDB keeps the past: raise its parameter "
                "minSnapshotHistoryWindowInSeconds (300 by default), or use mongodump."
            ) from None
        raise to_deployment_error(redact(uri), error) from None
    except PyMongoError as error:
        raise to_deployment_error(redact(uri), error) from None
    finally:
        partial.unlink(missing_ok=True)
    return saved


def _write(database: Database[Raw], file: gzip.GzipFile) -> Saved:
    _put(file, HEADER, {"format": FORMAT, "database": database.name, "dataVersion": DATA_VERSION})
    count = 0
    with database.client.start_session(snapshot=True) as session:
        for name in SAVED:
            indexes = [_index(dict(index)) for index in database[name].list_indexes() if index["name"] != "_id_"]
            _put(file, COLLECTION, {"name": name, "indexes": indexes})
            for document in database[name].find({}, session=session):
                file.write(DOCUMENT + document.raw)
                count += 1
    _put(file, END, {"documents": count})
    return Saved(count, database.name, DATA_VERSION)


def _index(index: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in index.items() if key not in ("v", "ns")}


def _put(file: gzip.GzipFile, letter: bytes, document: Mapping[str, Any]) -> None:
    file.write(letter + bson.encode(document))


def _synchronize(path: Path) -> None:
    """Wait until the file is on its disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


# ---------------------------------------------------------------- restoring


def restore(uri: str, database: str, path: Path) -> Saved:
    """Restore a backup into an empty database. Raises DeploymentError, and OSError for the file.

    The whole file is checked before anything is written. No server starts on the database until the restore is
    complete.
    """
    saved = verify(path)
    if saved.data_version > DATA_VERSION:
        raise DeploymentError(f"{path} was written by a newer version of Switchboard: restore it with that version.")
    try:
        with _client(uri) as client:
            target = client.get_database(database, write_concern=WriteConcern(w="majority"))
            _claim(target)
            _insert_all(target, parts(path))
            target["versions"].delete_one({"_id": RESTORING})
    except PyMongoError as error:
        raise to_deployment_error(redact(uri), error) from None
    return saved


def verify(path: Path) -> Saved:
    """Read a whole backup. Raises DeploymentError if it is damaged, incomplete or no backup."""
    count, header, end = 0, None, None
    for letter, document in parts(path):
        if letter == HEADER:
            header = document
        elif letter == DOCUMENT:
            count += 1
        elif letter == END:
            end = document
    if header is None or end is None or end["documents"] != count:
        raise DeploymentError(f"{path} is incomplete: it has {count} documents and no end. Take another backup.")
    if header["format"] != FORMAT:
        raise DeploymentError(f"{path} was written by another version of Switchboard: restore it with that version.")
    return Saved(count, str(header["database"]), int(header["dataVersion"]))


def parts(path: Path) -> Iterator[tuple[bytes, Raw]]:
    """The parts of a backup. Raises DeploymentError if it is damaged."""
    damaged = DeploymentError(f"{path} is no backup of Switchboard, or it is damaged. Use another backup.")
    try:
        with gzip.open(path, "rb") as file:
            while letter := file.read(1):
                length = file.read(4)
                size = int.from_bytes(length, "little")
                if letter not in (HEADER, COLLECTION, DOCUMENT, END) or not 5 <= size <= MAX_DOCUMENT_BYTES:
                    raise damaged
                yield letter, Raw(length + file.read(size - 4))
    except (EOFError, gzip.BadGzipFile, zlib.error, bson.errors.InvalidBSON):
        raise damaged from None


def _claim(target: Database[Raw]) -> None:
    """Reserve the database for this restore. Raises DeploymentError unless it is empty."""
    if target["versions"].find_one({"_id": RESTORING}) is not None:
        raise DeploymentError(
            f"A restore into the database {target.name} is running, or was interrupted. If none is running, run "
            "db.dropDatabase() there in mongosh, and restore again."
        )
    for name in target.list_collection_names():
        if target[name].find_one({}, {"_id": 1}) is not None:
            raise DeploymentError(
                f"The database {target.name} is not empty: restore into another one, which SWITCHBOARD_DATABASE or "
                "--data-dir names."
            )
    try:
        target["versions"].insert_one(Raw(bson.encode({"_id": RESTORING})))
    except DuplicateKeyError:
        raise DeploymentError(f"Another restore into the database {target.name} is running.") from None


def _insert_all(target: Database[Raw], found: Iterable[tuple[bytes, Raw]]) -> None:
    collection, batch, size = "", list[Raw](), 0
    for letter, document in found:
        if letter != DOCUMENT or len(batch) >= BATCH_DOCUMENTS or size >= BATCH_BYTES:
            if batch:
                target[collection].insert_many(batch, ordered=False)
            batch, size = [], 0
        if letter == DOCUMENT:
            batch.append(document)
            size += len(document.raw)
        elif letter == COLLECTION:
            collection = str(document["name"])
            _create(target, collection, [bson.decode(index.raw) for index in document["indexes"]])


def _create(target: Database[Raw], collection: str, indexes: Sequence[Mapping[str, Any]]) -> None:
    if collection not in target.list_collection_names():
        target.create_collection(collection)
    if indexes:
        target.command({"createIndexes": collection, "indexes": list(indexes)})


def _client(uri: str) -> MongoClient[Raw]:
    return MongoClient(uri, document_class=Raw, readPreference="primary", tz_aware=True)
