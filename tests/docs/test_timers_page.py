"""The operations of timers.md work as described."""

import re
from pathlib import Path

from resolvers import timer_expiry, timers
from resolvers.context import Services
from storage.transactions import leases
from tests.conftest import ADMIN_TOKEN
from tests.faults.clients import Client
from tests.server.websocket_client import connected, receive, send

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "timers.md").read_text(encoding="utf-8")
SAMPLES: dict[str, str] = {name: text for text, name in re.findall(r"```graphql\n(\w+ (\w+).*?)```", PAGE, re.DOTALL)}


async def test_operations_of_the_page_work(services: Services, url: str) -> None:
    async with Client([url]) as client:
        room = (await client.start(await client.visitor("timers page")))["id"]
        head = (await client.send("{ eventCursor }"))["eventCursor"]

        first = await client.send(SAMPLES["Remind"], room=room)
        listed = await client.send(SAMPLES["Timers"], room=room)
        cancelled = await client.send(SAMPLES["Cancel"], room=room)
        short = SAMPLES["Remind"].replace("seconds: 120", "seconds: 1")
        await client.send(short, room=room)
        async with connected(url, {"authorization": f"Bearer {ADMIN_TOKEN}"}) as socket:
            query = SAMPLES["Elapsed"].replace("types:", f'after: "{head}", types:')
            await send(socket, id="1", type="subscribe", payload={"query": query})
            event = (await receive(socket))["payload"]["data"]["events"]

    (timer,) = listed["timers"]
    assert {name: timer[name] for name in ("name", "dueAt")} == first["setTimer"]["timer"]
    assert (timer["name"], timer["data"], timer["setBy"]["type"]) == ("unanswered", {"step": 1}, "APP")
    assert cancelled == {"cancelTimer": {"cancelled": True}}
    assert (event["name"], event["data"], event["room"]["roomId"]) == ("unanswered", {"step": 1}, room)
    assert event["setBy"]["id"] == timer["setBy"]["id"]


def test_limits_and_times_are_those_of_the_code() -> None:
    assert f"at most {timers.MAX_TIMERS} timers" in PAGE
    assert f"1 to {timers.MAX_SECONDS:,} (a year)" in PAGE
    assert timer_expiry.POLL_SECONDS == 0.5
    assert "every half second" in PAGE
    assert f"within {leases.LEASE_SECONDS + timer_expiry.POLL_SECONDS:.1f} seconds" in PAGE
