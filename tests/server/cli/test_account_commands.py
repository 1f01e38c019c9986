"""The commands for apps, their tokens and users, which write only to the database of a server."""

import asyncio
import getpass
import io
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from typing_extensions import override

from resolvers import apps, sessions
from resolvers.auth import access
from resolvers.context import Context, Services
from schema.base import ids
from server.cli.command import CommandError
from server.cli.main import make_parser
from server.settings import Settings
from storage.errors import Invalid, Unauthenticated, UsernameTaken
from storage.records import SYSTEM
from tests.conftest import ADMIN_TOKEN

Command = Callable[..., Coroutine[Any, Any, tuple[list[str], list[str]]]]


def run(*arguments: str, **settings: Any) -> int:
    given = make_parser().parse_args(arguments)
    code: int = given.command.run(given, Settings(**settings))
    return code


@pytest.fixture
def command(services: Services, mongodb_uri: str, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command while a server uses the database; returns the lines of its stdout and stderr."""
    database = services.storage.database.raw.name

    async def command(*arguments: str, **settings: Any) -> tuple[list[str], list[str]]:
        await asyncio.to_thread(run, *arguments, mongodb_uri=mongodb_uri, database=database, **settings)
        written = capsys.readouterr()
        return written.out.splitlines(), written.err.splitlines()

    return command


async def name_of(services: Services, token: str) -> str | None:
    """The name of the app or user that the token authenticates; None if the token is invalid."""
    actor = (await access.authenticate(services.storage, token)).actor
    return None if actor is None else actor.name


OPENING = {
    "create-app": ("create-app", "crm", "--scopes", "rooms:read"),
    "list-apps": ("list-apps",),
    "rotate-app-token": ("rotate-app-token", "crm"),
    "revoke-app": ("revoke-app", "crm"),
    "reset-admin-token": ("reset-admin-token",),
    "create-user": ("create-user", "anna"),
    "verify-counts": ("verify-counts",),
    "mongod": ("mongod",),
}


@pytest.mark.parametrize("name", OPENING)
def test_without_a_server_data_folder_nothing_is_created(tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandError) as caught:
        run(*OPENING[name], data_dir=tmp_path / "data")

    assert str(caught.value) == (
        f"There is no database under {tmp_path}/data: start a server there with  switchboard serve  first, or name "
        "your data folder with --data-dir or SWITCHBOARD_DATA_DIR."
    )
    assert list(tmp_path.iterdir()) == []


def test_in_an_unused_database_nothing_is_created(mongodb_uri: str, database_name: str) -> None:
    with pytest.raises(CommandError, match=f"^No server has used the database {database_name} of MongoDB at "):
        run("create-app", "crm", "--scopes", "rooms:read", mongodb_uri=mongodb_uri, database=database_name)

    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        assert database_name not in client.list_database_names()


async def test_an_app_is_created_in_the_database_that_the_command_names(command: Command, services: Services) -> None:
    database = services.storage.database.raw.name
    printed, messages = await command("create-app", "crm", "--scopes", "users:read, rooms:read")

    (token,) = printed
    assert await name_of(services, token) == "crm"
    assert messages[0].startswith(f"Using the database {database} of MongoDB at 127.0.0.1:")
    assert messages[1:] == ["The app crm has the scopes rooms:read, users:read. Its token is shown this once:"]


async def test_name_of_an_active_app_is_refused(command: Command, services: Services) -> None:
    await command("create-app", "crm", "--scopes", "rooms:read")
    context = admin(services)
    before = await apps.list_apps(context)

    with pytest.raises(
        CommandError, match=r"^There is an app called crm already \(\w+\): +switchboard rotate-app-token"
    ):
        await command("create-app", "crm", "--scopes", "rooms:read")
    assert await apps.list_apps(context) == before

    await command("revoke-app", "crm")
    (token,), _ = await command("create-app", "crm", "--scopes", "rooms:read")
    assert await name_of(services, token) == "crm"


def admin(services: Services) -> Context:
    return Context(services, access.Caller(actor=SYSTEM, scopes=frozenset({access.ADMIN})))


@pytest.mark.parametrize(
    ("scopes", "refusal"),
    [("rooms:own", 'Unknown scope "rooms:own"; '), (",", "scopes must name at least one scope.")],
)
async def test_an_app_with_wrong_scopes_is_refused(
    command: Command, services: Services, scopes: str, refusal: str
) -> None:
    before = await apps.list_apps(admin(services))

    with pytest.raises(Invalid, match=f"^{refusal}"):
        await command("create-app", "crm", "--scopes", scopes)

    assert await apps.list_apps(admin(services)) == before


async def test_apps_are_listed_with_their_state_and_scopes(command: Command) -> None:
    await command("create-app", "crm", "--scopes", "users:read,rooms:read")
    await command("create-app", "old", "--scopes", "rooms:read")
    await command("revoke-app", "old")

    printed, _ = await command("list-apps")

    rows = [line.split() for line in printed]
    assert rows[0] == ["ID", "NAME", "STATE", "CREATED", "LAST", "USED", "SCOPES"]
    assert [[row[1], row[2], *row[5:]] for row in rows[2:]] == [
        ["crm", "active", "rooms:read,", "users:read"],
        ["old", "revoked", "rooms:read"],
    ]
    assert rows[1][:3] == ["app_admin", "admin", "active"]


async def test_a_rotated_token_ends_at_once_or_after_the_overlap(command: Command, services: Services) -> None:
    (first,), _ = await command("create-app", "crm", "--scopes", "rooms:read")

    (second,), _ = await command("rotate-app-token", "crm", "--overlap-seconds", "3600")
    assert [await name_of(services, token) for token in (first, second)] == ["crm", "crm"]
    (third,), messages = await command("rotate-app-token", "crm")

    assert [await name_of(services, token) for token in (first, second, third)] == [None, None, "crm"]
    assert messages[1].endswith("has a new token; the old one is no longer valid. Its token is shown this once:")


async def test_revoked_app_has_no_token(command: Command, services: Services) -> None:
    (token,), _ = await command("create-app", "crm", "--scopes", "rooms:read")

    await command("revoke-app", "crm")

    assert await name_of(services, token) is None


async def test_unknown_app_is_refused_by_name(command: Command) -> None:
    for name in ("rotate-app-token", "revoke-app"):
        with pytest.raises(CommandError, match=r"^There is no active app called crm: "):
            await command(name, "crm")


async def test_the_admin_token_is_reset(command: Command, services: Services) -> None:
    assert await name_of(services, ADMIN_TOKEN) == "admin"

    (token,), _ = await command("reset-admin-token")

    assert [await name_of(services, one) for one in (ADMIN_TOKEN, token)] == [None, "admin"]


async def test_an_admin_token_that_is_a_setting_is_not_reset(command: Command, services: Services) -> None:
    with pytest.raises(CommandError, match=r"^SWITCHBOARD_ADMIN_TOKEN is set, "):
        await command("reset-admin-token", admin_token=ADMIN_TOKEN)

    assert await name_of(services, ADMIN_TOKEN) == "admin"


async def test_created_user_can_log_in(command: Command, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse battery\n"))

    (user_id,), messages = await command("create-user", "anna", "--roles", "livechat-manager", "--password")

    session = await sessions.login(Context(services), username="anna", password="correct horse battery")
    assert (ids.USER.format(session.user.id), session.user.roles) == (user_id, ("livechat-manager",))
    assert messages[1] == "The user anna is created with the roles livechat-manager. Its id:"
    with pytest.raises(UsernameTaken):
        await command("create-user", "Anna")


async def test_a_user_without_a_password_cannot_log_in(command: Command, services: Services) -> None:
    await command("create-user", "anna", "--name", "Anna Ek", "--emails", "anna@example.org")

    with pytest.raises(Unauthenticated):
        await sessions.login(Context(services), username="anna", password="")


async def test_different_passwords_create_no_user(
    command: Command, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        @override
        def isatty(self) -> bool:
            return True

    typed = iter(["correct horse battery", "correct house battery"])
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda _: next(typed))

    with pytest.raises(CommandError, match=r"^The two passwords differ; nothing was created.$"):
        await command("create-user", "anna", "--password")

    assert await services.storage.database["users"].find_one({}) is None
