"""`switchboard rotate-app-token`."""

import argparse
import asyncio

from schema.base import ids
from server.cli import operators
from server.cli.apps import add_app, find_app, print_token
from server.cli.command import OK, Command, existing_database
from server.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    add_app(parser)
    parser.add_argument(
        "--overlap-seconds",
        metavar="N",
        type=int,
        default=0,
        help="how long the old token stays valid after the new one is created; 0 by default",
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    overlap: int = arguments.overlap_seconds
    with existing_database(settings) as uri:
        app = find_app(asyncio.run(operators.list_apps(uri, settings.database)), arguments.app)
        rotated = asyncio.run(
            operators.rotate_app_token(uri, settings.database, app_id=app.id, overlap_seconds=overlap)
        )
    validity = f"is valid for {overlap} s more" if overlap else "is no longer valid"
    print_token(
        f"The app {app.name} ({ids.APP.format(app.id)}) has a new token; the old one {validity}.", rotated.token
    )
    return OK


COMMAND = Command(
    name="rotate-app-token",
    summary="give an app a new token and print it",
    description="""
        Gives an app a new token and prints it. The token is shown only once. The old token becomes invalid at once,
        and the subscriptions that it opened are closed. With --overlap-seconds, it stays valid for that time, in which
        the app can be given the new token.
    """,
    examples="""
        TOKEN=$(switchboard rotate-app-token crm)
        switchboard rotate-app-token crm --overlap-seconds 3600
    """,
    configure=configure,
    run=run,
)
