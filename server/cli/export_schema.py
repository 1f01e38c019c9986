"""`switchboard export-schema`."""

import argparse
import difflib
import sys
from pathlib import Path

from server.cli.command import OK, Command, CommandError
from server.settings import Settings

DIFF_LINES = 40


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file is not up to date")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    # Imported here: other commands do not need the schema, and building it takes time.
    from schema import schema as module

    path = Path(module.__file__).with_name("schema.graphql")
    # Indented descriptions have trailing spaces in their empty lines.
    exported = "".join(f"{line.rstrip()}\n" for line in module.schema.as_str().rstrip().splitlines())
    present = path.read_text(encoding="utf-8") if path.exists() else ""
    if not arguments.check:
        path.write_text(exported, encoding="utf-8")
        print(f"{path} is {'unchanged' if present == exported else 'written'}.")
        return OK
    if present == exported:
        return OK
    changes = difflib.unified_diff(
        present.splitlines(), exported.splitlines(), "in the file", "in the code", lineterm=""
    )
    for line in list(changes)[:DIFF_LINES]:
        print(line, file=sys.stderr)
    raise CommandError(f"{path} is not up to date: run  make schema  and commit it.")


COMMAND = Command(
    name="export-schema",
    summary="write schema/schema.graphql from the code",
    description="""
        Writes the schema that the code declares to schema/schema.graphql. The file is committed, so that reviews show
        what changes for clients and editors can complete names. With --check it writes nothing, and fails with a diff
        if the file is not up to date.
    """,
    examples="""
        switchboard export-schema
        switchboard export-schema --check
    """,
    configure=configure,
    run=run,
)
