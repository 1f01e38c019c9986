"""The commands of the tutorial do what the page says."""

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.acceptance.test_readme import request
from tests.conftest import ADMIN_TOKEN
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def curl_commands() -> list[list[str]]:
    blocks = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).replace("\\\n", " ")
    return [shlex.split(line) for line in blocks.splitlines() if line.startswith("curl")]


def sent(command: list[str], **replaced: str) -> dict[str, Any]:
    """The request of a command, with the token of the tests, and with other values for words in capitals."""
    parts = request(command)
    for word, value in replaced.items():
        assert word in parts["content"]
        parts["content"] = parts["content"].replace(word, value)
    return {"content": parts["content"], "headers": parts["headers"] | {"authorization": f"Bearer {ADMIN_TOKEN}"}}


@asynccontextmanager
async def subscribed(http: httpx.AsyncClient, url: str, parts: dict[str, Any]) -> AsyncIterator[AsyncIterator[Any]]:
    """The events of a stream. The subscription has begun when this returns."""
    async with http.stream("POST", url, **parts) as stream:
        assert stream.status_code == 200
        lines = stream.aiter_lines()

        async def events() -> AsyncIterator[Any]:
            async for line in lines:
                if line.startswith("data: {"):
                    yield json.loads(line.removeprefix("data: "))["data"]["events"]

        yield events()


async def test_the_tutorial_works_as_written(url: str) -> None:
    subscribe, save, start, create, hire, resume = curl_commands()

    async with httpx.AsyncClient(timeout=60) as http:

        async def send(command: list[str], **replaced: str) -> Any:
            answer = (await http.post(url, **sent(command, **replaced))).json()
            assert "errors" not in answer
            return answer["data"]

        async with asyncio.timeout(120), subscribed(http, url, sent(subscribe)) as events:
            await send(save)
            room = (await send(start))["startRoom"]["room"]
            first = [await anext(events) for _ in range(2)]
            user = (await send(create))["createUser"]["user"]["id"]
            hired = await send(hire, USER=user)
            assigned = await anext(events)
        other = (await send(start))["startRoom"]["room"]
        async with asyncio.timeout(120), subscribed(http, url, sent(resume, CURSOR=assigned["cursor"])) as events:
            missed = [await anext(events) for _ in range(2)]

    assert room["status"] == "QUEUED"
    assert [event["type"] for event in first] == ["ROOM_STARTED", "ROOM_QUEUED"]
    assert hired == {"addAgent": {"agent": {"routable": True}}}
    assert (assigned["type"], assigned["room"]["roomId"]) == ("AGENT_ASSIGNED", room["id"])
    assert [(event["type"], event["room"]["roomId"]) for event in missed] == [
        ("ROOM_STARTED", other["id"]),
        ("AGENT_ASSIGNED", other["id"]),
    ]
