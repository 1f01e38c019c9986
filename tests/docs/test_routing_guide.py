"""The operations of the guide on routing by an app do what the guide says."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.faults.clients import Client, Refused
from tests.server.graphql.test_sse_subscriptions import until_leased
from tests.server.websocket_client import connected, receive, send

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "routing-by-apps.md").read_text(encoding="utf-8")
#: The operations of the guide by their names.
OPERATIONS = {name: text for text, name in re.findall(r"```graphql\n(\w+ (\w+).*?)```", GUIDE, re.DOTALL)}
SCOPES = ["events:read", "rooms:read", "rooms:assign", "users:read", "users:write", "agents:write"]


async def refusal_of(client: Client, operation: str, **variables: Any) -> str:
    with pytest.raises(Refused) as refused:
        await client.send(OPERATIONS[operation], **variables)
    return str(refused.value.extensions["code"])


def test_the_guide_names_the_scopes_of_the_app() -> None:
    assert all(f"`{scope}`" in GUIDE for scope in SCOPES)


async def test_the_journey_of_the_guide_works(url: str) -> None:
    async with Client([url]) as admin:
        setup = await admin.send(OPERATIONS["Setup"])
        department = setup["createDepartment"]["department"]["id"]
        owner = await admin.mutate(
            "createUser", "user { id }", username="owner", customFields=[{"key": "crmId", "value": "crm-1"}]
        )
        await admin.mutate("setPresence", "user { id }", userId=owner["user"]["id"], presence="ONLINE")
        token = (await admin.mutate("createApp", "token", name="router", scopes=SCOPES))["token"]
        visitor = await admin.visitor("v")

        async with (
            Client([url], token) as router,
            connected(url, {"authorization": f"Bearer {token}"}) as socket,
        ):
            await send(socket, id="1", type="subscribe", payload={"query": OPERATIONS["Requests"]})
            await until_leased(router)
            requests = []
            for _ in range(3):
                room = await admin.start(visitor, departmentId=department)
                event = (await receive(socket))["payload"]["data"]["events"]
                assert (event["room"]["roomId"], event["attempt"]) == (room["id"], 1)
                requests.append({"room": room["id"], "cursor": event["cursor"]})
            first, second, third = requests

            step = f"{first['cursor']}/agent"
            person = {"person": "crm-1", "username": "owner", "department": department, "step": step}
            ensured = await router.send(OPERATIONS["Ensure"], **person)
            assert ensured == await router.send(OPERATIONS["Ensure"], **person)
            agent = ensured["ensureAgent"]["agent"]
            assert agent["routable"]
            assigned = await router.send(OPERATIONS["Assign"], agent=agent["id"], **first)
            assert assigned["assignAgent"]["room"] == {
                "status": "ASSIGNED",
                "servedBy": {"user": {"username": "owner"}},
            }
            assert await refusal_of(router, "Assign", agent=agent["id"], **first) == "ALREADY_ACKNOWLEDGED"

            declined = await router.send(OPERATIONS["Decline"], **second)
            assert declined["declineRouting"]["room"]["status"] == "ASSIGNED"  # by the fallback

            await admin.mutate("assignAgent", "room { id }", roomId=third["room"], agentId=agent["id"])
            assert await refusal_of(router, "Assign", agent=agent["id"], **third) == "ROOM_ALREADY_ASSIGNED"
            assert await refusal_of(router, "Decline", **third) == "ROOM_NOT_WAITING_FOR_DECISION"
            done = await router.send(OPERATIONS["Done"], cursor=third["cursor"])
            assert done["ackEvents"]["consumer"]["lag"] == 0


async def test_a_filter_routes_without_a_program(url: str) -> None:
    async with Client([url]) as client:
        await client.mutate(
            "defineCustomField",
            "definition { id }",
            target="USER",
            key="languages",
            type="MULTI_SELECT",
            options=["en", "es"],
        )
        await client.agent("anna")
        await client.agent("bert", customFields=[{"key": "languages", "value": ["es"]}])

        started = await client.send(OPERATIONS["StartFiltered"], visitor=await client.visitor("v"))

        assert started["startRoom"]["room"] == {
            "status": "ASSIGNED",
            "agentFilter": {"customFields": [{"key": "languages", "contains": "es"}]},
            "servedBy": {"user": {"username": "bert"}},
        }
