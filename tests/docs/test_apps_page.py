"""The first app of docs/guides/apps.md runs as it is, and its other samples are valid."""

import ast
import inspect
import re
import secrets
import sys
from pathlib import Path

from switchboard_client import App, Observer, open_api
from tests.client.processes import all_answered, app_process, start_room, texts
from tests.client.support import until
from tests.conftest import ADMIN_TOKEN
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "guides" / "apps.md").read_text(encoding="utf-8")
SAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SCOPES = re.findall(r"create-app greeter --scopes (\S+)", PAGE)[0].split(",")


async def test_first_app_greets_each_conversation_once(shared_url: str, tmp_path: Path) -> None:
    program = tmp_path / "greeter.py"
    program.write_text(SAMPLES[0], encoding="utf-8")
    async with open_api(shared_url, ADMIN_TOKEN) as admin:
        token = (await admin.create_app(name=f"greeter-{secrets.token_hex(4)}", scopes=SCOPES)).token
        settings = {"SWITCHBOARD_URL": shared_url, "SWITCHBOARD_TOKEN": token, "PYTHONPATH": str(ROOT / "client")}
        async with app_process(admin, "greeter", (sys.executable, program), **settings) as process:
            rooms = [await start_room(admin, "Ada") for _ in range(3)]
            await until(lambda: all_answered(admin, rooms))
            process.terminate()
            assert await process.wait() == 0
        assert [await texts(admin, room) for room in rooms] == [["Welcome!"]] * 3


def test_first_app_has_ten_lines_and_is_the_one_of_the_readme() -> None:
    assert len([line for line in SAMPLES[0].splitlines() if line.strip()]) <= 10
    assert SAMPLES[0] in (ROOT / "client" / "README.md").read_text(encoding="utf-8")


def test_samples_are_python() -> None:
    for sample in SAMPLES:
        ast.parse(sample)


def test_arguments_and_defaults_are_those_of_the_code() -> None:
    parameters = inspect.signature(App).parameters
    for row in re.findall(r"^\| (`\w+`.*?) \| (.*?) \|", PAGE.partition("## Running it")[2], re.MULTILINE):
        for name in re.findall(r"`(\w+)`", row[0]):
            assert name in parameters, name
    for name in ("concurrency", "max_in_flight", "attempts", "handler_seconds", "stop_seconds"):
        assert re.search(rf"`{name}`.*? \| {parameters[name].default:g}\b", PAGE), name
    for method in re.findall(r"an `Observer` whose methods measure: (.*?) \|", PAGE)[0].split(", "):
        assert hasattr(Observer, method.strip("`")), method
