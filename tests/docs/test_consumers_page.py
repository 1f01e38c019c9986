"""The operations of the page on consumers do what the page says."""

import re
from pathlib import Path

import pytest

from resolvers import events
from resolvers.consumers.leases import DEFAULT_IN_FLIGHT, MAX_CONSUMERS, MAX_IN_FLIGHT
from storage.timings import DEFAULT_TIMINGS
from tests.conftest import ADMIN_TOKEN
from tests.faults.clients import Client, Refused
from tests.server.graphql.test_sse_subscriptions import until_leased, until_released
from tests.server.websocket_client import connected, receive, send

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "consumers.md").read_text(encoding="utf-8")
#: The operations of the page by their names.
OPERATIONS = {name: text for text, name in re.findall(r"```graphql\n(\w+ (\w+).*?)```", PAGE, re.DOTALL)}


async def test_operations_of_the_page_work(url: str) -> None:
    async with Client([url]) as client:
        token = await client.visitor("v")
        async with connected(url, {"authorization": f"Bearer {ADMIN_TOKEN}"}) as socket:
            await send(socket, id="1", type="subscribe", payload={"query": OPERATIONS["Follow"]})
            await until_leased(client)
            rooms, cursors = [], []
            for text in ("thanks", "bye", "solved"):
                room = (await client.start(token))["id"]
                # The visitor writes by another app's token: notByMe leaves out what the app itself sends.
                app = await client.mutate("createApp", "token", name=text, scopes=["messages:write", "rooms:read"])
                await client.mutate("sendMessage", "message { id }", bearer=app["token"], roomId=room, text=text)
                await client.mutate("sendMessage", "message { id }", roomId=room, text="an answer")
                event = (await receive(socket))["payload"]["data"]["events"]
                assert (event["message"]["text"], event["room"]["roomId"]) == (text, room)
                rooms.append(room)
                cursors.append(event["cursor"])

            (state,) = (await client.send(OPERATIONS["Watch"]))["consumers"]
            assert (state["name"], state["lag"], state["inFlight"], state["connected"]) == ("closer", 3, 3, True)
            closed = await client.send(OPERATIONS["Close"], room=rooms[0], cursor=cursors[0])
            assert closed == {"closeRoom": {"room": {"status": "CLOSED"}}}
            with pytest.raises(Refused) as refusal:
                await client.send(OPERATIONS["Close"], room=rooms[0], cursor=cursors[0])
            assert refusal.value.extensions["code"] == "ALREADY_ACKNOWLEDGED"

            one = await client.send(OPERATIONS["AckOne"], cursor=cursors[2])
            assert one["ackEvents"]["consumer"]["lag"] == 1
            all_of_them = await client.send(OPERATIONS["AckTo"], cursor=cursors[1])
            assert all_of_them["ackEvents"]["consumer"]["lag"] == 0
        await until_released(client)
        assert await client.send(OPERATIONS["Remove"]) == {"removeConsumer": {"removedName": "closer"}}
        assert await client.send(OPERATIONS["Watch"]) == {"consumers": []}


def test_limits_of_the_page_are_those_of_the_code() -> None:
    assert DEFAULT_TIMINGS.consumer_lease == 5
    assert DEFAULT_TIMINGS.consumer_lease / 3 < 2
    for limit in (
        "has a lease of five seconds",
        f"({DEFAULT_IN_FLIGHT:,} by default, 1 to {MAX_IN_FLIGHT:,})",
        f"has up to {MAX_CONSUMERS:,} consumers",
        f"more than {events.MAX_SCANNED_FACTS:,} events have to be checked",
    ):
        assert limit in " ".join(PAGE.split())
