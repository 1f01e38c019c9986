"""`switchboard list-apps`."""

import argparse
import asyncio
from datetime import datetime

from schema.base import ids
from server.cli import operators
from server.cli.command import OK, Command, add_data_dir, existing_database
from server.settings import Settings


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    with existing_database(settings) as uri:
        apps = asyncio.run(operators.list_apps(uri, settings.database))
    rows = [("ID", "NAME", "STATE", "CREATED", "LAST USED", "SCOPES")]
    for app in apps:
        state = "active" if app.active else "revoked"
        created, used = format_day(app.created_at), format_day(app.last_used_at)
        rows.append((ids.APP.format(app.id), app.name, state, created, used, ", ".join(app.scopes)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return OK


def format_day(time: datetime | None) -> str:
    return "never" if time is None else f"{time:%Y-%m-%d}"


COMMAND = Command(
    name="list-apps",
    summary="list the apps with their scopes",
    description="""
        Lists all apps, revoked ones included, oldest first: id, name, state, the day when the app was created, the day
        when its token was last used, and its scopes. Tokens cannot be shown again.
    """,
    examples="""
        switchboard list-apps
        switchboard list-apps --data-dir /srv/switchboard
    """,
    configure=add_data_dir,
    run=run,
)
