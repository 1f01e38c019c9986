"""`switchboard revoke-app`."""

import argparse
import asyncio

from schema.base import ids
from server.cli import operators
from server.cli.apps import add_app, find_app
from server.cli.command import OK, Command, existing_database
from server.settings import Settings


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    with existing_database(settings) as uri:
        app = find_app(asyncio.run(operators.list_apps(uri, settings.database)), arguments.app)
        asyncio.run(operators.revoke_app(uri, settings.database, app_id=app.id))
    print(
        f"The app {app.name} ({ids.APP.format(app.id)}) is revoked; its token is invalid and its subscriptions are "
        "closed."
    )
    return OK


COMMAND = Command(
    name="revoke-app",
    summary="revoke an app and close its subscriptions",
    description="""
        Revokes an app for good: its token becomes invalid and its subscriptions are closed at once. Another app with
        the same name can be created afterwards.
    """,
    examples="""
        switchboard revoke-app crm
    """,
    configure=add_app,
    run=run,
)
