"""`switchboard export-events`."""

import argparse
import asyncio
import sys

from server.cli import operators
from server.cli.command import OK, Command, add_data_dir, existing_database
from server.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--after", metavar="CURSOR", help="the cursor of the last event that you have")
    add_data_dir(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    with existing_database(settings) as uri:
        last = asyncio.run(
            operators.export_events(uri, settings.database, after=arguments.after, write=sys.stdout.buffer.write)
        )
        sys.stdout.buffer.flush()
    print(f"To continue:  switchboard export-events --after {last}", file=sys.stderr)
    return OK


COMMAND = Command(
    name="export-events",
    summary="write events as JSON lines",
    description="""
        Writes the events after a cursor, or all that are kept, to stdout in the order of the log: one JSON object a
        line, each once and without a gap. It ends with the event that is the newest when it starts, and prints the
        cursor to continue with to stderr. It works while servers are running.

        A line has the cursor and the sequence of the event, its type, time and actor, and its record as Switchboard
        stores it: the entities after the change, with ids that have no prefix, and custom fields by the id of their
        definition.
    """,
    examples="""
        switchboard export-events > events.jsonl
        switchboard export-events --after kqFlAQ >> events.jsonl
    """,
    configure=configure,
    run=run,
)
