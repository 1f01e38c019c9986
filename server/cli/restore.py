"""`switchboard restore`."""

import argparse
from pathlib import Path

from server.cli.command import OK, Command, CommandError, add_data_dir
from server.process.run import open_deployment
from server.settings import Settings
from storage import backup


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="a file that  switchboard backup  has written")
    add_data_dir(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    path: Path = arguments.file
    try:
        backup.verify(path)  # before a MongoDB is started
        with open_deployment(settings, share=True) as uri:
            saved = backup.restore(uri, settings.database, path)
    except OSError as error:
        raise CommandError(f"{error.filename or path} cannot be read: {error.strerror}.") from None
    print(f"{saved.documents:,} documents are restored into the database {settings.database}.")
    return OK


COMMAND = Command(
    name="restore",
    summary="restore a backup into an empty database",
    description="""
        Restores a file of  switchboard backup  into a database without documents. It checks the whole file before it
        writes. Tokens, passwords, cursors of events and the positions of consumers are those of the backup.

        No server starts on the database until the restore is complete. If it is interrupted, drop the database and
        restore again.
    """,
    examples="""
        switchboard restore monday.backup --data-dir /srv/switchboard
        SWITCHBOARD_DATABASE=restored switchboard restore monday.backup
    """,
    configure=configure,
    run=run,
)
