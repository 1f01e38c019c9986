"""The operations of the guides on agents and on assignments do what the pages say."""

import re

import pytest

from resolvers.context import Services
from tests.conftest import ADMIN_TOKEN
from tests.faults.clients import Client, Refused
from tests.processes import ROOT
from tests.server.websocket_client import connected, receive, send
from tests.storage.support import until


def samples(page: str) -> dict[str, str]:
    text = (ROOT / "docs" / "guides" / page).read_text(encoding="utf-8")
    return {name: text for text, name in re.findall(r"```graphql\n(\w+ (\w+).*?)```", text, re.DOTALL)}


AGENTS, ASSIGNMENTS = samples("agents.md"), samples("assignments.md")


async def test_agents_are_created_and_found(shared_url: str) -> None:
    async with Client([shared_url]) as client:
        defined = await client.send(AGENTS["DefineField"])
        with pytest.raises(Refused) as twice:
            await client.send(AGENTS["DefineField"])
        user = (await client.send(AGENTS["CreateUser"]))["createUser"]["user"]
        made = (await client.send(AGENTS["MakeAgent"], user=user["id"]))["addAgent"]
        given = (await client.send(AGENTS["GiveRole"], user=user["id"]))["addRoles"]["user"]["roles"]
        found = (await client.send(AGENTS["FindUser"]))["user"]
        ensured = [(await client.send(AGENTS["EnsureAgent"]))["ensureAgent"]["agent"] for _ in range(2)]

    assert defined == {"defineCustomField": {"definition": {"key": "staffId", "unique": True}}}
    assert twice.value.extensions["code"] == "DUPLICATE_VALUE"
    assert (made["added"], made["agent"]["routable"]) == (True, True)
    assert {role["name"] for role in given} == {"bot", "livechat-agent", "livechat-manager"}
    assert (found["username"], found["agent"]["id"]) == ("milo", made["agent"]["id"])
    assert ensured[0] == ensured[1]
    assert ensured[0]["user"] == {"username": "nina"}


async def test_assignments_are_events_in_order(services: Services, url: str) -> None:
    async def both_have_begun() -> bool:
        return len(services.storage.feed.live) == 2

    async with (
        Client([url]) as client,
        connected(url, {"authorization": f"Bearer {ADMIN_TOKEN}"}) as socket,
    ):
        await client.mutate("defineCustomField", "definition { id }", target="ROOM", key="orderId", type="TEXT")
        await client.agent("greta")
        await send(socket, id="all", type="subscribe", payload={"query": ASSIGNMENTS["Service"]})
        await send(socket, id="one", type="subscribe", payload={"query": ASSIGNMENTS["Assigned"]})
        await until(both_have_begun)
        fields = [{"key": "orderId", "value": "O-1"}]
        room = await client.start(await client.visitor("ada"), customFields=fields)
        state = await client.send(ASSIGNMENTS["StateAndCursor"])
        await client.mutate("closeRoom", "room { id }", roomId=room["id"])
        received = [await receive(socket) for _ in range(5)]

    types = [one["payload"]["data"]["events"]["type"] for one in received if one["id"] == "all"]
    (assigned,) = [one["payload"]["data"]["agentAssigned"] for one in received if one["id"] == "one"]
    assert types == ["ROOM_STARTED", "AGENT_ASSIGNED", "AGENT_UNASSIGNED", "ROOM_CLOSED"]
    assert assigned["room"]["roomId"] == room["id"]
    assert assigned["room"]["customFields"] == fields
    assert assigned["agent"]["user"]["username"] in {"milo", "nina", "greta"}
    assert room["id"] in [one["id"] for one in state["rooms"]["nodes"]]
