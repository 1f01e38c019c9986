"""The commands about apps, their tokens, and users. They work beside running servers, in the servers' database."""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Sequence
from datetime import datetime

from resolvers.apps import ADMIN_APP_ID
from resolvers.auth import access
from server.cli import operators
from server.cli.command import OK, Command, CommandError, add_data_dir, existing_database
from server.settings import Settings
from storage.records import App


def listed(text: str) -> list[str]:
    """The items of a list that is separated by commas."""
    return [item.strip() for item in text.split(",") if item.strip()]


def find_app(apps: Sequence[App], wanted: str) -> App:
    """The app of that id, or else the only active one of that name. Raises CommandError."""
    for app in apps:
        if app.id == wanted:
            return app
    found = [app for app in apps if app.active and app.name == wanted]
    if not found:
        raise CommandError(f"There is no active app called {wanted}:  switchboard list-apps  shows those there are.")
    if len(found) > 1:
        ids = ", ".join(app.id for app in found)
        raise CommandError(f"There are {len(found)} apps called {wanted}; name one of them by its id: {ids}.")
    return found[0]


def print_token(message: str, token: str) -> None:
    """The message goes to stderr and the token to stdout, so that scripts can keep it."""
    print(f"{message} Its token is shown this once:", file=sys.stderr)
    print(token)


# ---------------------------------------------------------------- create-app


def configure_create_app(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="what people call the app; no other active app has that name")
    parser.add_argument("--scopes", metavar="A,B,...", required=True, help="what it may do, separated by commas")
    add_data_dir(parser)


def run_create_app(given: argparse.Namespace, settings: Settings) -> int:
    with existing_database(settings) as uri:
        for app in asyncio.run(operators.list_apps(uri, settings.database)):
            if app.active and app.name == given.name:
                raise CommandError(
                    f"There is an app called {app.name} already ({app.id}):  switchboard rotate-app-token {app.id}  "
                    f"gives it a new token, and  switchboard revoke-app {app.id}  ends it."
                )
        created = asyncio.run(
            operators.create_app(uri, settings.database, name=given.name, scopes=listed(given.scopes))
        )
    print_token(f"The app {created.app.name} may {', '.join(created.app.scopes)}.", created.token)
    return OK


# ---------------------------------------------------------------- list-apps


def run_list_apps(given: argparse.Namespace, settings: Settings) -> int:
    with existing_database(settings) as uri:
        apps = asyncio.run(operators.list_apps(uri, settings.database))
    rows = [("ID", "NAME", "STATE", "CREATED", "LAST USED", "SCOPES")]
    for app in apps:
        state = "active" if app.active else "revoked"
        rows.append((app.id, app.name, state, day(app.created_at), day(app.last_used_at), ", ".join(app.scopes)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return OK


def day(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d}"


# ---------------------------------------------------------------- rotate-app-token


def configure_app(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("app", metavar="APP", help="the app, by its id or its name")
    add_data_dir(parser)


def configure_rotate_app_token(parser: argparse.ArgumentParser) -> None:
    configure_app(parser)
    parser.add_argument(
        "--overlap-seconds",
        metavar="N",
        type=int,
        default=0,
        help="how long the old token goes on beside the new one; 0 by default",
    )


def run_rotate_app_token(given: argparse.Namespace, settings: Settings) -> int:
    with existing_database(settings) as uri:
        app = find_app(asyncio.run(operators.list_apps(uri, settings.database)), given.app)
        rotated = asyncio.run(
            operators.rotate_app_token(uri, settings.database, app_id=app.id, overlap_seconds=given.overlap_seconds)
        )
    ends = f"ends in {given.overlap_seconds} s" if given.overlap_seconds else "has ended"
    print_token(f"The app {app.name} ({app.id}) has a new token; the old one {ends}.", rotated.token)
    return OK


# ---------------------------------------------------------------- revoke-app


def run_revoke_app(given: argparse.Namespace, settings: Settings) -> int:
    with existing_database(settings) as uri:
        app = find_app(asyncio.run(operators.list_apps(uri, settings.database)), given.app)
        asyncio.run(operators.revoke_app(uri, settings.database, app_id=app.id))
    print(f"The app {app.name} ({app.id}) is revoked; its token and its subscriptions have ended.")
    return OK


# ---------------------------------------------------------------- reset-admin-token


def run_reset_admin_token(given: argparse.Namespace, settings: Settings) -> int:
    if settings.admin_token is not None:
        raise CommandError(
            "SWITCHBOARD_ADMIN_TOKEN is set, and is the admin token of every server that starts with it: change it "
            "there and start the servers again."
        )
    with existing_database(settings) as uri:
        rotated = asyncio.run(operators.rotate_app_token(uri, settings.database, app_id=ADMIN_APP_ID))
    print_token("The admin app has a new token; the old one has ended.", rotated.token)
    return OK


# ---------------------------------------------------------------- create-user


def configure_create_user(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("username", metavar="USERNAME", help="the name to log in with; no other user has it")
    parser.add_argument("--name", metavar="NAME", help="the name to show to people")
    parser.add_argument("--emails", metavar="A,B,...", default="", help="email addresses, separated by commas")
    parser.add_argument("--roles", metavar="A,B,...", default="", help="roles to hold, separated by commas")
    parser.add_argument(
        "--password",
        action="store_true",
        help="ask for a password, or read it from stdin when that is no terminal; without it the user cannot log in",
    )
    add_data_dir(parser)


def run_create_user(given: argparse.Namespace, settings: Settings) -> int:
    with existing_database(settings) as uri:
        password = read_password() if given.password else None
        user = asyncio.run(
            operators.create_user(
                uri,
                settings.database,
                username=given.username,
                name=given.name,
                emails=listed(given.emails),
                roles=listed(given.roles),
                password=password,
            )
        )
    held = f" with the roles {', '.join(user.roles)}" if user.roles else ""
    print(f"The user {user.username} is created{held}. Its id:", file=sys.stderr)
    print(user.id)
    return OK


def read_password() -> str:
    """A password that is typed twice without being shown, or the first line of stdin. Raises CommandError."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise CommandError("The two passwords differ; nothing was created.")
    return password


ACCOUNT_COMMANDS = (
    Command(
        name="create-app",
        summary="create an app and print its token",
        description=f"""
            Creates an app, an outside program with a token of its own, and prints that token, this once. It works
            beside a running server, with the MongoDB that the settings name or the embedded one, and says which that
            is. Where no server has run it creates nothing. A name that an active app has is refused. The message goes
            to stderr and the token to stdout, so that scripts can keep it.

            The scopes are {", ".join(access.SCOPES)}.
        """,
        examples="""
            switchboard create-app dashboard --scopes rooms:read,users:read,events:read
            TOKEN=$(switchboard create-app crm --scopes rooms:assign,users:write,agents:write)
        """,
        configure=configure_create_app,
        run=run_create_app,
    ),
    Command(
        name="list-apps",
        summary="list the apps with their scopes",
        description="""
            Lists all apps, oldest first and revoked ones included: the id, the name, the day when the app was created
            and when it last used its token, and its scopes. Tokens cannot be shown again.
        """,
        examples="""
            switchboard list-apps
            switchboard list-apps --data-dir /srv/switchboard
        """,
        configure=add_data_dir,
        run=run_list_apps,
    ),
    Command(
        name="rotate-app-token",
        summary="give an app a new token and print it",
        description="""
            Gives an app a new token and prints it, this once. The old token ends at once, with the subscriptions that
            it opened, or after --overlap-seconds, in which the app can be given the new one.
        """,
        examples="""
            TOKEN=$(switchboard rotate-app-token crm)
            switchboard rotate-app-token crm --overlap-seconds 3600
        """,
        configure=configure_rotate_app_token,
        run=run_rotate_app_token,
    ),
    Command(
        name="revoke-app",
        summary="end an app, its token and its subscriptions",
        description="""
            Ends an app for good: its token is void and its subscriptions are closed at once. Another app of the same
            name can be created afterwards.
        """,
        examples="""
            switchboard revoke-app crm
        """,
        configure=configure_app,
        run=run_revoke_app,
    ),
    Command(
        name="reset-admin-token",
        summary="give the admin a new token and print it",
        description="""
            Gives the admin app a new token and prints it, this once: the way back in when the first one is lost. The
            old token ends at once. A server that is started with SWITCHBOARD_ADMIN_TOKEN makes that the admin token
            again.
        """,
        examples="""
            switchboard reset-admin-token
        """,
        configure=add_data_dir,
        run=run_reset_admin_token,
    ),
    Command(
        name="create-user",
        summary="create a user, with a password if wanted",
        description="""
            Creates a user who can log in, such as the first admin or an agent, and prints the user's id. A username
            that is taken is refused. The roles that every deployment has are admin, livechat-manager, livechat-agent
            and bot; addAgent makes an agent of a user.
        """,
        examples="""
            switchboard create-user anna --name 'Anna Ek' --roles livechat-manager --password
            echo "$PASSWORD" | switchboard create-user anna --password
        """,
        configure=configure_create_user,
        run=run_create_user,
    ),
)
