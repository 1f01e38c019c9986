"""`switchboard backup`."""

import argparse
from pathlib import Path

from server.cli.command import OK, Command, CommandError, add_data_dir, existing_database
from server.settings import Settings
from storage import backup


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="the new file")
    add_data_dir(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    path: Path = arguments.file
    with existing_database(settings) as uri:
        try:
            saved = backup.write(uri, settings.database, path)
        except OSError as error:
            raise CommandError(f"{error.filename or path} cannot be written: {error.strerror}.") from None
    print(f"{saved.documents:,} documents are saved in {path}.")
    return OK


COMMAND = Command(
    name="backup",
    summary="write all data to a file, while servers are running",
    description="""
        Writes all documents and indexes of the database, as they are at one point in time, to a new compressed file,
        which only its owner can read: it has the hashes of passwords and tokens. It works while servers are running.

        MongoDB keeps the past for five minutes by default. A database that cannot be read in this time needs a higher
        minSnapshotHistoryWindowInSeconds, or mongodump.
    """,
    examples="""
        switchboard backup monday.backup
        SWITCHBOARD_MONGODB_URI='mongodb://db1,db2,db3/?replicaSet=rs0' switchboard backup monday.backup
    """,
    configure=configure,
    run=run,
)
