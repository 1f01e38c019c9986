"""`switchboard serve`."""

import argparse
import contextlib
import logging
import os
import sys

from server.cli.command import OK, Command, CommandError, add_data_dir, add_setting
from server.process.run import ServingError
from server.process.start import serve
from server.settings import Settings

logger = logging.getLogger(__name__)


def configure(parser: argparse.ArgumentParser) -> None:
    add_setting(parser, "host", "HOST", "the address to listen on; 127.0.0.1 by default")
    add_setting(parser, "port", "PORT", "the port to listen on; 8000 by default, 0 for a free one")
    add_setting(parser, "workers", "N", "the number of server processes, each of which uses one core; 1 by default")
    add_data_dir(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    try:
        serve(settings)
    except ServingError as error:
        raise CommandError(str(error)) from None
    except KeyboardInterrupt:
        pass
    if not sys.stderr.isatty():  # a person reads the line on stdout
        logger.info("Switchboard has stopped.")
    # Not by print: the reader of stdout may have ended, and Python would try to write the text again at its exit.
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), b"Switchboard has stopped.\n")
    return OK


COMMAND = Command(
    name="serve",
    summary="serve the API, with an embedded MongoDB unless a URI is set",
    description="""
        Serves the GraphQL API over HTTP and websocket until Ctrl-C or SIGTERM. Without SWITCHBOARD_MONGODB_URI it also
        runs an embedded MongoDB, a private one-node replica set with its data under ./data. The first start on an empty
        database creates an admin token and prints it once; set SWITCHBOARD_ADMIN_TOKEN to choose the token.

        All settings are environment variables, listed in docs/reference/settings.md; the options below override the
        variables that they name.
    """,
    examples="""
        switchboard serve
        switchboard serve --port 9000 --data-dir /srv/switchboard
        switchboard serve --workers 4
        SWITCHBOARD_MONGODB_URI='mongodb://db1,db2,db3/?replicaSet=rs0' switchboard serve --host 0.0.0.0
    """,
    configure=configure,
    run=run,
)
