"""What a command of `switchboard` is, and what several of them share."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from resolvers.apps import ADMIN_APP_ID
from server.process.run import open_deployment
from server.settings import Settings, variable_name
from storage.embedded.preflight import holds
from storage.embedded.replica_set import has_data
from storage.uris import redact

OK = 0


class CommandError(Exception):
    """The command cannot do what was asked; the message is one line that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One word after `switchboard`."""

    name: str
    summary: str
    #: What --help says: what it does and when one wants it, then examples.
    description: str
    examples: str
    configure: Callable[[argparse.ArgumentParser], None]
    #: Does it, and returns the exit code.
    run: Callable[[argparse.Namespace, Settings], int]


def add_setting(parser: argparse.ArgumentParser, name: str, metavar: str, meaning: str) -> None:
    parser.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=f"{meaning} [{variable_name(name)}]")


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    add_setting(parser, "data_dir", "FOLDER", "where the embedded MongoDB keeps its data; ./data by default")


@contextmanager
def existing_database(settings: Settings) -> Iterator[str]:
    """The URI of the MongoDB with the database of a server that runs, or has run, with these settings.

    It says on stderr which database that is. Raises CommandError when no server has ever used it: nothing is created.
    """
    if settings.mongodb_uri is None:
        require_data(settings)
        place = f"the embedded MongoDB under {settings.data_dir.resolve()}"
    else:
        place = f"MongoDB at {redact(settings.mongodb_uri)}"
    with open_deployment(settings, share=True) as uri:
        if not holds(uri, settings.database, "apps", ADMIN_APP_ID):
            raise CommandError(
                f"No server has used the database {settings.database} of {place} yet: start one with  switchboard "
                f"serve  first, or name the database of yours by {variable_name('mongodb_uri')}, "
                f"{variable_name('database')} or --data-dir."
            )
        print(f"Using the database {settings.database} of {place}.", file=sys.stderr)
        yield uri


def require_data(settings: Settings) -> None:
    """Raise CommandError when the embedded MongoDB of these settings has no data."""
    if not has_data(settings.data_dir / "mongodb"):
        raise CommandError(
            f"There is no database under {settings.data_dir.resolve()}: start a server there with  switchboard serve  "
            f"first, or name the folder of yours with --data-dir or {variable_name('data_dir')}."
        )
