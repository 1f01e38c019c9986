"""What the demo plays against: a server that runs already, or one of its own; and the token that it begins with.

The demo itself is in examples/, an outside program that knows nothing of this package.
"""

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
from server.settings import PREFIX, Settings
from storage.embedded.replica_set import running_uri

ROOT = Path(__file__).parents[2]
PROGRAM = "examples.external_routing"
PROBE_SECONDS = 2.0
#: What to connect to when a server listens on every address of the machine.
LOOPBACK_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here


class DemoError(Exception):
    """The demo cannot be played; the message is one line that says what to do about it."""


def run_demo(settings: Settings) -> int:
    """Play the demo against the server of these settings, which answers; the demo's exit code. Raises DemoError."""
    if settings.admin_token is not None:
        return run_program(server_address(settings), settings.admin_token, path=settings.base_path)
    with temporary_token(settings) as token:
        return run_program(server_address(settings), token, path=settings.base_path)


def run_demo_alone() -> int:
    """Play the demo against a server that exists for nothing else; the demo's exit code."""
    with temporary_server() as (place, token):
        return run_program(place, token)


def require_program() -> None:
    """Raise DemoError when this is an installation without the examples."""
    if not (ROOT / "examples" / "external_routing.py").exists():
        raise DemoError("The demo is in the project's examples/ folder: run it from a checkout, with  make demo.")


def run_program(place: tuple[str, int], token: str, *, path: str = "") -> int:
    own = {"HOST": place[0], "PORT": str(place[1]), "BASE_PATH": path, "ADMIN_TOKEN": token}
    told = os.environ | {PREFIX + name: value for name, value in own.items()}
    return subprocess.run([sys.executable, "-m", PROGRAM], cwd=ROOT, env=told, check=False).returncode


def server_address(settings: Settings) -> tuple[str, int]:
    """Where the server of these settings can be reached from this machine."""
    return LOOPBACK_HOSTS.get(settings.host, settings.host), settings.port


def url_of(place: tuple[str, int], path: str) -> str:
    host, port = place
    return f"http://[{host}]:{port}{path}" if ":" in host else f"http://{host}:{port}{path}"


def is_serving(settings: Settings) -> bool:
    """Whether a Switchboard serves there now."""
    health = url_of(server_address(settings), f"{settings.base_path}/health/live")
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with directly.open(health, timeout=PROBE_SECONDS) as response:
            return bool(json.load(response)["status"] == "ok")
    except (OSError, ValueError, LookupError, TypeError):
        return False


# ---------------------------------------------------------------- a token for a server that runs


@contextmanager
def temporary_token(settings: Settings) -> Iterator[str]:
    """The token of an app that exists as long as the block lasts, made in the server's own database."""
    uri = settings.mongodb_uri or running_uri(settings.data_dir / "mongodb")
    if uri is None:
        raise DemoError(
            f"A server answers at {url_of(server_address(settings), '')}, but not from the data folder "
            f"{settings.data_dir.resolve()}: "
            "set SWITCHBOARD_ADMIN_TOKEN to its admin token, or SWITCHBOARD_DATA_DIR to its data folder."
        )
    # It creates the apps of the demo, and nobody can grant what they may not do themselves.
    scopes = [scope for scope in access.SCOPES if scope != access.ADMIN]
    created = asyncio.run(operators.create_app(uri, settings.database, name="demo", scopes=scopes))
    try:
        yield created.token
    finally:
        asyncio.run(operators.revoke_app(uri, settings.database, app_id=created.app.id))


# ---------------------------------------------------------------- a server of its own


@contextmanager
def temporary_server() -> Iterator[tuple[tuple[str, int], str]]:
    """The address of a server on an empty temporary folder, and its admin token, for as long as the block lasts."""
    token = secrets.token_hex(16)
    with TemporaryDirectory(prefix="switchboard-demo-") as folder:
        own = {"HOST": "127.0.0.1", "PORT": "0", "DATA_DIR": folder, "ADMIN_TOKEN": token, "LOG_LEVEL": "warning"}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        # In a session of its own, so that Ctrl-C ends the demo first and the server then.
        with subprocess.Popen(
            [sys.executable, "-m", "server", "serve"],
            env=inherited | {PREFIX + name: value for name, value in own.items()},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as server:
            try:
                yield ("127.0.0.1", port_of(server)), token
            finally:
                server.terminate()
                server.communicate()


def port_of(server: subprocess.Popen[str]) -> int:
    """The port that the server says it listens on, once it is ready. Raises DemoError."""
    assert server.stdout is not None
    for line in server.stdout:
        if found := re.search(r"GraphQL +http://127\.0\.0\.1:(\d+)/", line):
            return int(found.group(1))
    raise DemoError("The server for the demo did not start; what it said is above.")
