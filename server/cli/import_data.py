"""`switchboard import`: imports the data of another system."""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping

from resolvers.rocketchat.importer import RocketChatImport
from resolvers.rocketchat.report import ImportReport
from server.cli import operators
from server.cli.command import OK, Command, CommandError, add_data_dir, existing_database
from server.settings import IMPORT_URI, Settings
from storage.errors import Unavailable
from storage.rocketchat import RocketChatDatabase

#: The words for the kinds of records, in the order of the report.
NOUNS: Mapping[str, str] = {
    "roles": "roles",
    "custom_fields": "custom fields",
    "departments": "departments",
    "users": "users",
    "visitors": "visitors",
    "rooms": "rooms",
    "messages": "messages",
}
BAR = 30


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("system", choices=["rocketchat"], help="the system to import from")
    parser.add_argument(
        "--uri",
        help=f"the URI of its MongoDB, with the name of the database as the path [{IMPORT_URI}]; - reads it from stdin",
    )
    parser.add_argument("--dry-run", action="store_true", help="check every record and write nothing")
    add_data_dir(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    source_uri = read_source_uri(arguments.uri)
    with existing_database(settings) as uri:
        try:
            report = asyncio.run(import_rocketchat(uri, settings, source_uri, dry_run=arguments.dry_run))
        except Unavailable as error:
            raise CommandError(f"{error.message} Run the command again: it continues where it was.") from None
    print("\n".join(report.lines(NOUNS, dry_run=arguments.dry_run)))
    return OK


def read_source_uri(option: str | None) -> str:
    """The URI of the option, of stdin or of the environment. Raises CommandError."""
    uri = sys.stdin.readline() if option == "-" else option or os.environ.get(IMPORT_URI, "")
    if not uri.strip():
        raise CommandError(f"Set {IMPORT_URI} to the URI of the MongoDB to import from, or pass it with --uri.")
    if option not in (None, "-") and "@" in uri:
        print(
            f"switchboard: warning: other users of this machine can see the password in --uri; set {IMPORT_URI}.",
            file=sys.stderr,
        )
    return uri.strip()


async def import_rocketchat(uri: str, settings: Settings, source_uri: str, *, dry_run: bool) -> ImportReport:
    async with (
        RocketChatDatabase.open(source_uri) as source,
        operators.operator_context(uri, settings.database) as context,
    ):
        return await RocketChatImport(context, source, progress=show_progress, dry_run=dry_run).run()


def show_progress(kind: str, done: int, total: int) -> None:
    """Draw a bar on a terminal. Elsewhere, print one line for each kind."""
    if sys.stderr.isatty():
        filled = BAR * done // total if total else BAR
        bar = "#" * filled + "." * (BAR - filled)
        end = "\n" if done == total else ""
        print(f"\r  {NOUNS[kind]:<14} {bar} {done:,} of {total:,}", end=end, file=sys.stderr, flush=True)
    elif done == total:
        print(f"  {NOUNS[kind]}: {total:,}", file=sys.stderr, flush=True)


COMMAND = Command(
    name="import",
    summary="import the data of a Rocket.Chat server",
    description="""
        Reads roles, custom fields, departments, users, agents, visitors, rooms and messages from the MongoDB of a
        Rocket.Chat server, and writes nothing there. Everything keeps the time at which it was created. Open rooms wait
        in the queue.

        An import that is interrupted continues when the command runs again, and a repeated one imports only what is
        new. With --dry-run, it checks every record and writes nothing. At the end, it prints what could not be mapped.
    """,
    examples="""
        export SWITCHBOARD_IMPORT_URI=mongodb://reader:PASSWORD@old-server/rocketchat
        switchboard import rocketchat --dry-run
        switchboard import rocketchat
        switchboard import rocketchat --uri - < file-with-the-uri
    """,
    configure=configure,
    run=run,
)
