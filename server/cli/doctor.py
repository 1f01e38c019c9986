"""`switchboard doctor`."""

import argparse
import asyncio
import os

from server.cli import diagnosis
from server.cli.command import OK, Command, add_data_dir, existing_database
from server.cli.diagnosis import Finding, Level
from server.settings import Settings

FAILED = 1
MARKS = {Level.OK: "ok     ", Level.NOTE: "note   ", Level.PROBLEM: "PROBLEM"}


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    found = diagnosis.examine_settings(settings, os.environ)
    show(found)
    with existing_database(settings) as uri:
        in_database = asyncio.run(diagnosis.examine_database(uri, settings.database))
    show(in_database)
    problems = sum(finding.level is Level.PROBLEM for finding in (*found, *in_database))
    print("\nNo problems." if not problems else f"\n{problems} problem{'s' if problems > 1 else ''}.")
    return FAILED if problems else OK


def show(findings: list[Finding]) -> None:
    for finding in findings:
        print(f"{MARKS[finding.level]}  {finding.subject}: {finding.text}")
        if finding.remedy:
            print(f"         {finding.remedy}")


COMMAND = Command(
    name="doctor",
    summary="check settings and database, and say what to do",
    description="""
        Checks the settings, MongoDB, its indexes, the version of the data and its migrations, the counts of agents, the
        outbox, the consumers, the queue and the clock, and prints what to do about each problem. It fails if there is a
        problem. It changes nothing, and works while servers are running.
    """,
    examples="""
        switchboard doctor
        SWITCHBOARD_MONGODB_URI='mongodb://db1,db2,db3/?replicaSet=rs0' switchboard doctor
    """,
    configure=add_data_dir,
    run=run,
)
