"""The operations of the page on presence do what the page says."""

import asyncio
import re
from pathlib import Path
from typing import Any

from resolvers.departments import YEAR_SECONDS
from resolvers.presence import MAX_LEASE_SECONDS
from server.settings import Settings
from storage.records import AgentGoneAction
from tests.conftest import ADMIN_TOKEN
from tests.faults.clients import ROOM, Client
from tests.server.websocket_client import connected, receive, send

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "presence.md").read_text(encoding="utf-8")
#: The operations of the page by their names.
SAMPLES = {name: text for text, name in re.findall(r"```graphql\n(\w+ (\w+).*?)```", PAGE, re.DOTALL)}
GONE = """query ($room: ID!) { room(by: {id: $room}) {
    status events(last: 2) { nodes { type ... on AgentUnassigned { cause actor { type } } } } } }"""


async def test_operations_of_the_page_work(url: str) -> None:
    async with Client([url]) as client, connected(url, {"authorization": f"Bearer {ADMIN_TOKEN}"}) as socket:
        anna = await client.agent("presence-page")
        visitor = await client.visitor("presence page")
        me = (await client.send("query ($id: ID!) { agent(id: $id) { userId } }", id=anna))["agent"]["userId"]
        made = await client.mutate("createDepartment", "department { id }", name="presence page", routing="MANUAL")
        department = made["department"]["id"]
        room = await client.start(visitor, departmentId=department)
        await client.mutate("assignAgent", ROOM, roomId=room["id"], agentId=anna)

        leased = (await client.send(SAMPLES["SetOnline"], me=me))["setPresence"]["user"]
        assert leased["presence"] == "ONLINE"
        assert leased["presenceUntil"]
        changed = (await client.send(SAMPLES["Requeue"], department=department))["updateDepartment"]
        assert changed["department"] == {"whenAgentGone": "REQUEUE", "agentGoneAfterSeconds": 300}
        await client.mutate("updateDepartment", "department { id }", departmentId=department, agentGoneAfterSeconds=0)

        await send(socket, id="1", type="subscribe", payload={"query": SAMPLES["Colleagues"]})
        await send(socket, id="2", type="subscribe", payload={"query": "{ eventCursor }"})
        while (await receive(socket))["id"] != "2":
            pass
        await client.mutate("setPresence", "user { id }", userId=me, presence="OFFLINE")
        while (event := await receive(socket))["id"] != "1":
            pass
        assert event["payload"]["data"]["events"] == {
            "user": {"userId": me, "username": "presence-page", "presence": "OFFLINE"},
            "changes": [{"field": "presence", "before": "ONLINE", "after": "OFFLINE"}],
        }
        gone: list[dict[str, Any]] = [
            {"type": "AGENT_UNASSIGNED", "cause": "AGENT_GONE", "actor": {"type": "SYSTEM"}},
            {"type": "ROOM_QUEUED"},
        ]
        found: dict[str, Any] = {}
        for _ in range(3_000):
            # The events of a change can be read a moment after its room.
            found = (await client.send(GONE, room=room["id"]))["room"]
            if found["status"] == "QUEUED" and found["events"]["nodes"] == gone:
                break
            await asyncio.sleep(0.02)
        assert (found["status"], found["events"]["nodes"]) == ("QUEUED", gone)


def test_limits_of_the_page_are_those_of_the_code() -> None:
    settings = Settings(admin_token=ADMIN_TOKEN)

    assert (settings.when_agent_gone, settings.agent_gone_after_seconds) == (AgentGoneAction.KEEP, 300)
    assert f"| 1 to {MAX_LEASE_SECONDS:,} | the lease |" in PAGE
    assert f"`agentGoneAfterSeconds` is 0 to {YEAR_SECONDS:,}." in PAGE
    assert "defaults KEEP and 300" in PAGE
