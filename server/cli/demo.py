"""`switchboard demo`: runs an example of examples/ against a running server, or against a temporary one.

The example is an outside program and imports nothing of this package. This module gives it an address and a token.
"""

import argparse
import asyncio
import json
import os
import re
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from resolvers.auth import access
from server.cli import operators
from server.cli.command import Command, CommandError, add_data_dir, add_setting
from server.settings import PREFIX, Settings
from storage.embedded.replica_set import running_uri

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
DEFAULT_EXAMPLE = "external_routing"
PROBE_SECONDS = 2.0
#: The address to connect to if the server listens on every address of the machine.
LOOPBACK_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "example", nargs="?", default=DEFAULT_EXAMPLE, help=f"the folder of examples/; {DEFAULT_EXAMPLE} by default"
    )
    add_setting(parser, "host", "HOST", "the host of the server; 127.0.0.1 by default")
    add_setting(parser, "port", "PORT", "the port of the server; 8000 by default")
    add_data_dir(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    example = arguments.example
    if not (EXAMPLES / DEFAULT_EXAMPLE).exists():
        raise CommandError("The demo is in the project's examples/ folder: run it from a checkout, with  make demo.")
    demos = sorted(path.parent.name for path in EXAMPLES.glob("*/demo.py"))
    if example not in demos:
        raise CommandError(f"There is no demo {example!r}. There are: {', '.join(demos)}.")
    if not is_serving(settings):
        address = format_url(server_address(settings))
        print(f"No Switchboard answers at {address}: starting one for the demo, on a temporary folder.\n", flush=True)
        with temporary_server() as (place, token):
            return run_program(example, place, token)
    if settings.admin_token is not None:
        return run_program(example, server_address(settings), settings.admin_token, path=settings.base_path)
    with temporary_token(settings) as token:
        return run_program(example, server_address(settings), token, path=settings.base_path)


def run_program(example: str, place: tuple[str, int], token: str, *, path: str = "") -> int:
    """Run the example against the server at that host and port. Returns its exit code."""
    own = {"HOST": place[0], "PORT": str(place[1]), "BASE_PATH": path, "ADMIN_TOKEN": token}
    environment = os.environ | {PREFIX + name: value for name, value in own.items()}
    return subprocess.run(
        [sys.executable, "-m", f"examples.{example}.demo"], cwd=ROOT, env=environment, check=False
    ).returncode


def server_address(settings: Settings) -> tuple[str, int]:
    """The host and port at which this machine reaches the server of these settings."""
    return LOOPBACK_HOSTS.get(settings.host, settings.host), settings.port


def format_url(place: tuple[str, int], path: str = "") -> str:
    host, port = place
    return f"http://[{host}]:{port}{path}" if ":" in host else f"http://{host}:{port}{path}"


def is_serving(settings: Settings) -> bool:
    """Whether a Switchboard server answers at the address of these settings."""
    url = format_url(server_address(settings), f"{settings.base_path}/health/live")
    without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with without_proxy.open(url, timeout=PROBE_SECONDS) as response:
            return bool(json.load(response)["status"] == "ok")
    except (OSError, ValueError, LookupError, TypeError):
        return False


# ---------------------------------------------------------------- a token for a running server


@contextmanager
def temporary_token(settings: Settings) -> Iterator[str]:
    """The token of a new app in the server's database. The app is revoked when the block ends."""
    uri = settings.mongodb_uri or running_uri(settings.data_dir / "mongodb")
    if uri is None:
        raise CommandError(
            f"The server at {format_url(server_address(settings))} does not use the data folder "
            f"{settings.data_dir.resolve()}: "
            "set SWITCHBOARD_ADMIN_TOKEN to its admin token, or SWITCHBOARD_DATA_DIR to its data folder."
        )
    # The example creates apps, and an app can only give scopes that it has.
    scopes = [scope for scope in access.SCOPES if scope != access.ADMIN]
    created = asyncio.run(operators.create_app(uri, settings.database, name="demo", scopes=scopes))
    try:
        yield created.token
    finally:
        asyncio.run(operators.revoke_app(uri, settings.database, app_id=created.app.id))


# ---------------------------------------------------------------- a temporary server


@contextmanager
def temporary_server() -> Iterator[tuple[tuple[str, int], str]]:
    """The address and the admin token of a server on an empty temporary folder. It stops when the block ends."""
    token = secrets.token_hex(16)
    with TemporaryDirectory(prefix="switchboard-demo-") as folder:
        own = {"HOST": "127.0.0.1", "PORT": "0", "DATA_DIR": folder, "ADMIN_TOKEN": token, "LOG_LEVEL": "warning"}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        # The server has its own session, so that Ctrl-C reaches the demo first; the demo then stops the server.
        with subprocess.Popen(
            [sys.executable, "-m", "server", "serve"],
            env=inherited | {PREFIX + name: value for name, value in own.items()},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as server:
            try:
                yield ("127.0.0.1", read_port(server)), token
            finally:
                server.terminate()
                server.communicate()


def read_port(server: subprocess.Popen[str]) -> int:
    """Wait until the server is ready, and return the port that it prints. Raises CommandError if it ends."""
    assert server.stdout is not None
    for line in server.stdout:
        if found := re.search(r"GraphQL +http://127\.0\.0\.1:(\d+)/", line):
            return int(found.group(1))
    raise CommandError("The server for the demo did not start; its error is above.")


COMMAND = Command(
    name="demo",
    summary="run an outside program that decides who serves a conversation",
    description="""
        Runs an example of an outside program, over HTTP and websocket: an app receives the event that a conversation
        waits for a decision, asks an outside system who must serve it, makes that person an agent, assigns and
        transfers the conversation, and checks every event. It fails if an event is not as expected.

        It uses the server at SWITCHBOARD_HOST and SWITCHBOARD_PORT, with SWITCHBOARD_ADMIN_TOKEN or with a temporary
        app in that server's database. Without a server there, it starts one on a temporary folder and stops it
        afterwards. It can be repeated. Everything that it creates has a name that begins with "demo". Two closed
        conversations with their visitors, two agents who are not available, a department and two custom fields stay.

        With the name of another folder of examples/, it runs the demo of that app. Some need the packages of
        examples/requirements.lock, which the targets  make demo-...  install.
    """,
    examples="""
        switchboard demo
        switchboard demo external_routing
        SWITCHBOARD_ADMIN_TOKEN=... switchboard demo --host switchboard.example --port 8000
    """,
    configure=configure,
    run=run,
)
