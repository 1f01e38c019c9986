"""`switchboard reset-admin-token`."""

import argparse
import asyncio

from resolvers.apps import ADMIN_APP_ID
from server.cli import operators
from server.cli.apps import print_token
from server.cli.command import OK, Command, CommandError, add_data_dir, existing_database
from server.settings import Settings


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    if settings.admin_token is not None:
        raise CommandError(
            "SWITCHBOARD_ADMIN_TOKEN is set, and is the admin token of every server that starts with it: change the "
            "setting and restart the servers."
        )
    with existing_database(settings) as uri:
        rotated = asyncio.run(operators.rotate_app_token(uri, settings.database, app_id=ADMIN_APP_ID))
    print_token("The admin app has a new token; the old one is no longer valid.", rotated.token)
    return OK


COMMAND = Command(
    name="reset-admin-token",
    summary="give the admin app a new token and print it",
    description="""
        Gives the admin app a new token and prints it. The token is shown only once. Use it when the admin token is
        lost. The old token becomes invalid at once. A server that starts with SWITCHBOARD_ADMIN_TOKEN makes that value
        the admin token again.
    """,
    examples="""
        switchboard reset-admin-token
    """,
    configure=add_data_dir,
    run=run,
)
