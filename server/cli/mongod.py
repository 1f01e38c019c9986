"""`switchboard mongod`."""

import argparse
import signal

from server.cli.command import OK, Command, CommandError, add_data_dir, require_data
from server.process.run import open_deployment
from server.settings import Settings


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    if settings.mongodb_uri is not None:
        raise CommandError("SWITCHBOARD_MONGODB_URI is set, so there is no embedded MongoDB to run.")
    require_data(settings)
    try:
        with open_deployment(settings) as uri:
            print(uri, flush=True)
            signal.pause()
    except KeyboardInterrupt:
        pass
    return OK


COMMAND = Command(
    name="mongod",
    summary="run only the embedded MongoDB, to inspect the data",
    description="""
        Starts the embedded MongoDB of a server that is not running, prints its URI, and stops it on Ctrl-C. Use it for
        mongosh, for backups with mongodump, and for other tools. It creates nothing in a folder that no server has
        used. It is refused while a server uses the data folder, because its MongoDB is running then.
    """,
    examples="""
        switchboard mongod
        switchboard mongod --data-dir /srv/switchboard
    """,
    configure=add_data_dir,
    run=run,
)
