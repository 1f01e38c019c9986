"""The operations of signals.md work as described."""

import re
from pathlib import Path
from typing import Any

from resolvers.context import Services
from resolvers.signal_hub import CALLER_RATE, ROOM_RATE, SUBSCRIBER_BYTES, SUBSCRIBER_SIGNALS
from server.settings import Settings
from storage.signals import MAX_BUFFERED, MAX_BUFFERED_BYTES, WRITE_INTERVAL_SECONDS
from tests.conftest import ADMIN_TOKEN
from tests.faults.clients import Client
from tests.server.websocket_client import connected, receive, send
from tests.storage.support import until

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "signals.md").read_text(encoding="utf-8")


def samples() -> dict[str, str]:
    """The operations of the page by their names."""
    found = re.findall(r"```graphql\n(\w+ (\w+).*?)```", PAGE, re.DOTALL)
    return {name: text for text, name in found}


async def test_operations_of_the_page_work(services: Services, url: str) -> None:
    async def subscribed() -> bool:
        return bool(services.signal_hub._subscribers)

    async with Client([url]) as client:
        await client.agent("signals-page")
        token = await client.visitor("signals page")
        room = (await client.start(token))["id"]
        message = (await client.mutate("sendMessage", "message { id }", roomId=room, text="Hi"))["message"]["id"]
        app = await client.mutate("createApp", "token", name="page", scopes=["messages:read"])
        operations = samples()
        async with connected(url, {"authorization": f"Bearer {app['token']}"}) as socket:
            await send(socket, id="1", type="subscribe", payload={"query": operations["Signals"]})
            await until(subscribed)

            variables = {"room": room, "visitor": token, "message": message}
            received: list[Any] = []
            for name in ("Typing", "VisitorTypes", "Read"):
                await client.send(operations[name], **used(operations[name], variables))
                received.append((await receive(socket))["payload"]["data"]["signals"])

        assert [(one["kind"], one["sender"]["type"], one["messageId"]) for one in received] == [
            ("TYPING", "APP", None),
            ("TYPING", "VISITOR", None),
            ("READ", "APP", message),
        ]
        unread = await client.send(operations["Unread"], room=room)
        assert [one["number"] for one in unread["room"]["messages"]["nodes"]] == [1]


def used(text: str, variables: dict[str, Any]) -> dict[str, Any]:
    """The variables that an operation declares."""
    return {name: value for name, value in variables.items() if f"${name}:" in text}


def test_limits_of_the_page_are_those_of_the_code() -> None:
    settings = Settings(admin_token=ADMIN_TOKEN)

    assert (settings.signal_rate_per_caller, settings.signal_rate_per_room) == (CALLER_RATE, ROOM_RATE) == (500, 10)
    for limit in (
        f"signals that wait for one subscriber: {SUBSCRIBER_SIGNALS:,}, in {SUBSCRIBER_BYTES // 1024} KiB",
        f"between processes: {MAX_BUFFERED:,}, in {MAX_BUFFERED_BYTES // 1024**2} MiB",
        f"the signals of {WRITE_INTERVAL_SECONDS * 1000:.0f} milliseconds",
    ):
        assert limit in PAGE
