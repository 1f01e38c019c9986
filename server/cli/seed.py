"""`switchboard seed`: creates and removes sample data."""

import argparse
import asyncio
import sys
from collections.abc import Mapping

from resolvers.context import Context
from resolvers.samples import samples, traffic
from server.cli import operators
from server.cli.command import OK, Command, CommandError, add_data_dir, existing_database
from server.settings import Settings
from storage import samples as stored_samples
from storage.errors import Unavailable
from storage.samples import SampleKind

MAX_TRAFFIC_MINUTES = 24 * 60
#: The words for the kinds of entities, in the order in which they are listed.
NOUNS: Mapping[SampleKind, str] = {
    SampleKind.DEPARTMENT: "departments",
    SampleKind.USER: "users",
    SampleKind.VISITOR: "visitors",
    SampleKind.FIELD: "custom fields",
    SampleKind.ROLE: "roles",
    SampleKind.APP: "apps",
    SampleKind.ROOM: "conversations",
}


def configure(parser: argparse.ArgumentParser) -> None:
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--remove", action="store_true", help="remove what this command has created, and nothing else")
    chosen.add_argument(
        "--traffic",
        metavar="MINUTES",
        type=float,
        help="then let conversations start, be answered and be closed for so many minutes",
    )
    add_data_dir(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    minutes: float | None = arguments.traffic
    if minutes is not None and not 0 < minutes <= MAX_TRAFFIC_MINUTES:
        raise CommandError(f"--traffic takes minutes, above 0 and up to {MAX_TRAFFIC_MINUTES}; {minutes:g} is not.")
    with existing_database(settings) as uri:
        try:
            asyncio.run(remove(uri, settings) if arguments.remove else create(uri, settings, minutes))
        except Unavailable as error:
            raise CommandError(error.message) from None
    return OK


NEXT = """Look at them in the dashboard of a running server, or start one with  switchboard serve.
Let the charts move with  switchboard seed --traffic 10,  and remove everything with  switchboard seed --remove."""


async def report(sentence: str) -> None:
    print(f"  {sentence} ...", file=sys.stderr, flush=True)


async def create(uri: str, settings: Settings, minutes: float | None) -> None:
    async with operators.operator_context(uri, settings.database) as context:
        cast = await samples.create(context, report)
        if cast is None:
            print("The sample data are there already.")
        else:
            await print_created(context)
        if minutes is not None:
            run = await stored_samples.find_run(context.reader)
            assert run is not None
            started = await traffic.run_traffic(await traffic.load_cast(context, run), report, seconds=60 * minutes)
            print(f"{started} conversations were started.")
        print(NEXT)


async def print_created(context: Context) -> None:
    counts = [f"{len(await stored_samples.list_ids(context.reader, kind))} {noun}" for kind, noun in NOUNS.items()]
    print(f"Created {', '.join(counts[:-1])} and {counts[-1]}.")


async def remove(uri: str, settings: Settings) -> None:
    async with operators.operator_context(uri, settings.database) as context:
        removal = await samples.remove(context, report)
    if not removal.removed and not removal.left:
        print("There are no sample data; nothing was removed.")
        return
    print(f"Removed {removal.removed} entities of the sample data. The event log keeps what happened to them.")
    for kind, names in removal.left.items():
        print(f"These {NOUNS[kind]} stay, because other data use them: {', '.join(names)}.")
    if removal.left:
        print("Run  switchboard seed --remove  again when nothing uses them.")


COMMAND = Command(
    name="seed",
    summary="create sample data to look at, and remove them again",
    description="""
        Creates a small deployment to look at: departments with different routing, agents with different limits,
        custom fields, roles, apps, visitors, and conversations of the last three hours in every status. Together with
        each entity it stores that it is part of the sample data. With sample data there already, nothing changes. What
        an interrupted run has left is removed first.

        With --remove, everything that this command has created is removed, and nothing else. What other data use
        stays, and is listed. The event log keeps the events about removed conversations until their time is over.

        With --traffic, conversations start, are answered and are closed for some minutes, so that the charts of the
        dashboard move.

        It uses the database of the deployment, while servers are running or not. Beside other agents or open
        conversations, the agents of the sample data accept no routing, so that no other conversation is assigned to
        them.
    """,
    examples="""
        switchboard seed
        switchboard seed --traffic 10
        switchboard seed --remove
    """,
    configure=configure,
    run=run,
)
