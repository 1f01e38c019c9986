"""The commands of README.md exist, and those that a newcomer types in the first minute do what it says."""

import asyncio
import json
import re
import shlex
from itertools import pairwise
from typing import Any

import httpx

from tests.acceptance.conftest import ROOT, Run, Serve

README = (ROOT / "README.md").read_text(encoding="utf-8")
PLACE, TOKEN = "http://127.0.0.1:8000", "let-me-in"


def commands() -> list[list[str]]:
    """The words of each command in the blocks that are meant for a shell."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def those_of(program: str) -> list[list[str]]:
    return [words[1:] for words in commands() if words[0].endswith(program)]


def test_every_target_of_make_exists() -> None:
    targets = {word for words in those_of("make") for word in words}

    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert targets == {"run", "demo", "test", "check"}
    assert targets <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


def test_continuous_integration_runs_the_same() -> None:
    steps = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()

    assert {"make check", "make test"} <= set(steps)


def test_variables_that_are_set_are_settings() -> None:
    exported = [word.partition("=") for words in commands() if words[0] == "export" for word in words[1:]]

    assert [(variable, value) for variable, _, value in exported] == [("SWITCHBOARD_ADMIN_TOKEN", TOKEN)]


def request(curl: list[str]) -> dict[str, Any]:
    """What curl would send."""
    pairs = list(pairwise(curl))
    headers = dict(value.split(": ", 1) for option, value in pairs if option == "-H")
    (body,) = (value for option, value in pairs if option == "-d")
    assert f"{PLACE}/graphql" in curl
    return {"headers": headers, "content": body}


async def test_first_minute_goes_as_it_says(serve: Serve, run: Run) -> None:
    subscription, question = those_of("curl")
    port = serve(ADMIN_TOKEN=TOKEN)
    url = f"http://127.0.0.1:{port}/graphql"

    async with httpx.AsyncClient() as http, http.stream("POST", url, timeout=30, **request(subscription)) as stream:
        played = await asyncio.to_thread(run, "demo", PORT=port, ADMIN_TOKEN=TOKEN)
        closed = await anext(line async for line in stream.aiter_lines() if "ROOM_CLOSED" in line)
        answer = (await http.post(url, **request(question))).json()
    created = run(*those_of("switchboard")[0])

    assert played.returncode == 0
    assert json.loads(closed.removeprefix("data: "))["data"]["events"]["actor"] == {"name": "case-router"}
    (room,) = answer["data"]["rooms"]["nodes"]
    assert (room["status"], room["lastServedBy"]) == ("CLOSED", {"user": {"name": "Milo Varga"}})
    assert created.returncode == 0
    assert created.stdout.startswith("sb_app_")
