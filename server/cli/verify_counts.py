"""`switchboard verify-counts`."""

import argparse
import asyncio

from schema.base import ids
from server.cli import operators
from server.cli.command import OK, Command, CommandError, add_data_dir, existing_database
from server.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repair", action="store_true", help="correct the counts that are wrong")
    add_data_dir(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    with existing_database(settings) as uri:
        mismatches = asyncio.run(operators.verify_counts(uri, settings.database, repair=arguments.repair))
    for mismatch in mismatches:
        user = mismatch.agent
        assert user.agent is not None
        print(
            f"{user.username} ({ids.AGENT.format(user.id)}): openRoomCount is {user.agent.open_room_count}, "
            f"rooms assigned are {mismatch.expected}"
        )
    if mismatches and not arguments.repair:
        raise CommandError(
            f"{len(mismatches)} counts are wrong: run  switchboard verify-counts --repair  and report it."
        )
    print("All those counts are corrected." if mismatches else "The openRoomCount of every agent is right.")
    return OK


COMMAND = Command(
    name="verify-counts",
    summary="check that every agent's openRoomCount is right",
    description="""
        Compares the openRoomCount of every agent with the number of its ASSIGNED rooms, and fails if one is wrong. No
        crash can cause that: it means a defect of Switchboard, or a manual change of the database. With --repair it
        corrects the wrong counts. It works while servers are running.
    """,
    examples="""
        switchboard verify-counts
        switchboard verify-counts --repair
    """,
    configure=configure,
    run=run,
)
