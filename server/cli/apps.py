"""Helpers that the commands about apps share."""

import argparse
import sys
from collections.abc import Sequence

from schema.base import ids
from server.cli.command import CommandError, add_data_dir
from storage.records import App


def add_app(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names an app."""
    parser.add_argument("app", metavar="APP", help="the app, by its id or its name")
    add_data_dir(parser)


def find_app(apps: Sequence[App], wanted: str) -> App:
    """The app with that id, or else the only active app with that name. Raises CommandError."""
    for app in apps:
        if wanted in (app.id, ids.APP.format(app.id)):
            return app
    found = [app for app in apps if app.active and app.name == wanted]
    if not found:
        raise CommandError(f"There is no active app called {wanted}:  switchboard list-apps  lists all apps.")
    if len(found) > 1:
        shown = ", ".join(ids.APP.format(app.id) for app in found)
        raise CommandError(f"There are {len(found)} apps called {wanted}; name one of them by its id: {shown}.")
    return found[0]


def print_token(message: str, token: str) -> None:
    """Print the message to stderr and the token to stdout, so that a script can capture the token."""
    print(f"{message} Its token is shown this once:", file=sys.stderr)
    print(token)
