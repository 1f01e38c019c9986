"""The `Command` class, and helpers that several commands share."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from resolvers.apps import ADMIN_APP_ID
from server.process.run import open_deployment
from server.settings import Settings, variable_name
from storage.embedded.preflight import has_document
from storage.embedded.replica_set import has_data
from storage.uris import redact

OK = 0


class CommandError(Exception):
    """The command failed. The message is one line with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One subcommand of `switchboard`."""

    name: str
    summary: str
    #: The text of --help: what the command does, and its examples.
    description: str
    examples: str
    #: Adds the arguments of the command to its parser.
    configure: Callable[[argparse.ArgumentParser], None]
    #: Runs the command and returns the exit code.
    run: Callable[[argparse.Namespace, Settings], int]


def add_setting(parser: argparse.ArgumentParser, name: str, metavar: str, meaning: str) -> None:
    """Add an option that overrides the setting of that name."""
    parser.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=f"{meaning} [{variable_name(name)}]")


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    add_setting(parser, "data_dir", "FOLDER", "where the embedded MongoDB stores its data; ./data by default")


def split_list(text: str) -> list[str]:
    """The items of a comma-separated list, without empty ones."""
    return [item.strip() for item in text.split(",") if item.strip()]


@contextmanager
def existing_database(settings: Settings) -> Iterator[str]:
    """The URI of a MongoDB whose database a server has used before with these settings.

    Prints to stderr which database that is. Raises CommandError if no server has used the database; nothing is
    created then.
    """
    if settings.mongodb_uri is None:
        require_data(settings)
        place = f"the embedded MongoDB under {settings.data_dir.resolve()}"
    else:
        place = f"MongoDB at {redact(settings.mongodb_uri)}"
    with open_deployment(settings, share=True) as uri:
        if not has_document(uri, settings.database, "apps", ADMIN_APP_ID):
            raise CommandError(
                f"No server has used the database {settings.database} of {place} yet: start one with  switchboard "
                f"serve  first, or name your database with {variable_name('mongodb_uri')}, "
                f"{variable_name('database')} or --data-dir."
            )
        print(f"Using the database {settings.database} of {place}.", file=sys.stderr)
        yield uri


def require_data(settings: Settings) -> None:
    """Raise CommandError if the data folder of the embedded MongoDB has no data."""
    if not has_data(settings.data_dir / "mongodb"):
        raise CommandError(
            f"There is no database under {settings.data_dir.resolve()}: start a server there with  switchboard serve  "
            f"first, or name your data folder with --data-dir or {variable_name('data_dir')}."
        )
