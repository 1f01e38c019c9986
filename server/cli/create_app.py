"""`switchboard create-app`."""

import argparse
import asyncio

from resolvers.auth import access
from schema.base import ids
from server.cli import operators
from server.cli.apps import print_token
from server.cli.command import OK, Command, CommandError, add_data_dir, existing_database, split_list
from server.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the name of the app; it must differ from that of any active app")
    parser.add_argument("--scopes", metavar="A,B,...", required=True, help="the scopes of the app, comma-separated")
    add_data_dir(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    with existing_database(settings) as uri:
        for app in asyncio.run(operators.list_apps(uri, settings.database)):
            if app.active and app.name == arguments.name:
                app_id = ids.APP.format(app.id)
                raise CommandError(
                    f"There is an app called {app.name} already ({app_id}):  switchboard rotate-app-token {app_id}  "
                    f"gives it a new token, and  switchboard revoke-app {app_id}  revokes it."
                )
        created = asyncio.run(
            operators.create_app(uri, settings.database, name=arguments.name, scopes=split_list(arguments.scopes))
        )
    print_token(f"The app {created.app.name} has the scopes {', '.join(created.app.scopes)}.", created.token)
    return OK


COMMAND = Command(
    name="create-app",
    summary="create an app and print its token",
    description=f"""
        Creates an app, which is an outside program with its own token, and prints the token. The token is shown only
        once. The command uses the MongoDB that the settings name, or the embedded one, and prints which. It works
        while a server is running. It creates nothing in a database that no server has used. A name that an active app
        has is refused. The message goes to stderr and the token to stdout, so that a script can capture the token.

        The scopes are {", ".join(access.SCOPES)}.
    """,
    examples="""
        switchboard create-app dashboard --scopes rooms:read,users:read,events:read
        TOKEN=$(switchboard create-app crm --scopes rooms:assign,users:write,agents:write)
    """,
    configure=configure,
    run=run,
)
