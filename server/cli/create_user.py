"""`switchboard create-user`."""

import argparse
import asyncio
import getpass
import sys

from schema.base import ids
from server.cli import operators
from server.cli.command import OK, Command, CommandError, add_data_dir, existing_database, split_list
from server.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("username", metavar="USERNAME", help="the name to log in with; it must be unique")
    parser.add_argument("--name", metavar="NAME", help="the name that other people see")
    parser.add_argument("--emails", metavar="A,B,...", default="", help="email addresses, comma-separated")
    parser.add_argument("--roles", metavar="A,B,...", default="", help="roles of the user, comma-separated")
    parser.add_argument(
        "--password",
        action="store_true",
        help="ask for a password, or read it from stdin if stdin is no terminal; without it the user cannot log in",
    )
    add_data_dir(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    with existing_database(settings) as uri:
        password = read_password() if arguments.password else None
        user = asyncio.run(
            operators.create_user(
                uri,
                settings.database,
                username=arguments.username,
                name=arguments.name,
                emails=split_list(arguments.emails),
                roles=split_list(arguments.roles),
                password=password,
            )
        )
    roles = f" with the roles {', '.join(user.roles)}" if user.roles else ""
    print(f"The user {user.username} is created{roles}. Its id:", file=sys.stderr)
    print(ids.USER.format(user.id))
    return OK


def read_password() -> str:
    """A password that is typed twice without echo, or the first line of stdin. Raises CommandError."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise CommandError("The two passwords differ; nothing was created.")
    return password


COMMAND = Command(
    name="create-user",
    summary="create a user, with or without a password",
    description="""
        Creates a user who can log in, such as the first administrator or an agent, and prints the user's id. A
        username that another user has is refused. Every deployment has the roles admin, livechat-manager,
        livechat-agent and bot. The mutation addAgent makes the user an agent.
    """,
    examples="""
        switchboard create-user anna --name 'Anna Ek' --roles livechat-manager --password
        echo "$PASSWORD" | switchboard create-user anna --password
    """,
    configure=configure,
    run=run,
)
