"""The bridge, Switchboard and the stand-in are killed while both sides write. Nothing is lost, doubled or reordered."""

import asyncio
import contextlib
import os
import re
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from examples.salesforce_chat.demo import BRIDGE_SCOPES
from examples.salesforce_chat.stand_in.agents import Agents
from switchboard_client import Api, Transport
from switchboard_client.types import RoutingMethod
from tests.examples.salesforce_chat.world import World, environment
from tests.processes import ADMIN_TOKEN, ROOT, ServerProcess

MESSAGES = 20


class Program:
    """A Python program in a process of its own, which is killed and started again."""

    def __init__(self, module: str, *arguments: str, variables: dict[str, str] | None = None) -> None:
        self._command = (sys.executable, "-m", module, *arguments)
        self._variables = variables or {}
        self._process: Process | None = None

    async def start(self) -> str:
        """The first line that it prints, if it prints one at once."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("SALESFORCE_CHAT_")}
        prints = "stand_in" in self._command[2]
        self._process = await asyncio.create_subprocess_exec(
            *self._command, env=own | self._variables, cwd=ROOT, stdout=PIPE if prints else None, start_new_session=True
        )
        output = self._process.stdout
        return "" if output is None else (await output.readline()).decode()

    async def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()


async def stand_in_at(cleanup: AsyncExitStack, port: int, data: Path) -> tuple[Program, str]:
    program = Program(
        "examples.salesforce_chat.stand_in",
        *("--port", str(port), "--data", str(data), "--replay", "3", "--messages-per-minute", "1000"),
    )
    cleanup.push_async_callback(program.kill)
    line = await program.start()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found is not None, line
    return program, found[0]


@pytest.fixture
async def cleanup() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def visitor_writes(world: World) -> None:
    for number in range(MESSAGES):
        await world.write(f"v{number}", key=f"{world.visitor}-{number}")
        await asyncio.sleep(0.1)


async def agent_writes(agents: Agents, conversation: str) -> None:
    """The agent's own program repeats what failed, with the same id."""
    for number in range(MESSAGES):
        while True:
            try:
                await agents.say(conversation, f"a{number}", key=f"{conversation}-{number}")
                break
            except httpx.HTTPError:
                await asyncio.sleep(0.1)
        await asyncio.sleep(0.1)


async def test_kills_of_every_part_lose_double_and_reorder_nothing(
    mongodb_uri: str, database_name: str, tmp_path: Path, cleanup: AsyncExitStack
) -> None:
    server = cleanup.enter_context(ServerProcess(mongodb_uri, database_name))
    url = server.url
    port = httpx.URL(url).port
    stand_in, salesforce_url = await stand_in_at(cleanup, 0, tmp_path / "salesforce.sqlite")
    agents = Agents(salesforce_url)
    cleanup.push_async_callback(agents.aclose)
    transport = Transport(url, ADMIN_TOKEN, retry_seconds=120)
    cleanup.push_async_callback(transport.close)
    admin = Api(transport)
    name = f"sf-{secrets.token_hex(4)}"
    created = await admin.create_app(name=name, scopes=BRIDGE_SCOPES)
    department = (await admin.create_department(name=name, routing=RoutingMethod.MANUAL)).department
    world = World(admin, agents, url, created.token, salesforce_url, name, department.id)
    bridge = Program(
        "examples.salesforce_chat",
        variables=environment(url, created.token, salesforce_url, name, TEXT_JOINED="", UNREACHABLE_SECONDS="600"),
    )
    cleanup.push_async_callback(bridge.kill)
    await bridge.start()
    await world.start_room()
    await world.assign()
    conversation = str((await world.conversation())["id"])

    async with asyncio.TaskGroup() as group:
        group.create_task(visitor_writes(world))
        group.create_task(agent_writes(agents, conversation))
        await world.shows("a1")
        await bridge.kill()
        await bridge.start()
        await world.shows("a5")
        await agents.cut(in_frame=True)
        await stand_in.kill()
        again = await stand_in_at(cleanup, int(salesforce_url.rpartition(":")[2]), tmp_path / "salesforce.sqlite")
        await world.shows("a8")
        server.kill()
        cleanup.enter_context(ServerProcess(mongodb_uri, database_name, None, PORT=str(port)))
        await world.shows("a12")
        await bridge.kill()
        await bridge.start()
        await agents.cut()
    await world.shows(f"a{MESSAGES - 1}")
    await world.hears(conversation, f"v{MESSAGES - 1}")

    assert await agents.said(conversation) == [f"v{number}" for number in range(MESSAGES)]
    from_agent = [text for text in await world.texts() if text.startswith("a")]
    assert from_agent == [f"a{number}" for number in range(MESSAGES)]
    assert again[1] == salesforce_url
