"""Signals over websockets and event streams."""

from resolvers.context import Services
from tests.faults.clients import Client
from tests.server.graphql.test_sse import streaming
from tests.server.websocket_client import connected, send
from tests.storage.support import until

SIGNALS = "subscription { signals { kind data } }"


async def test_signal_is_an_event_without_id_and_ends_with_the_stream(services: Services, url: str) -> None:
    async def subscribed() -> bool:
        return bool(services.signal_hub._subscribers)

    async def unsubscribed() -> bool:
        return not services.signal_hub._subscribers

    async with Client([url]) as client:
        room = (await client.start(await client.visitor("signals")))["id"]
        app = await client.mutate("createApp", "token", name="page", scopes=["messages:read"])
        async with streaming(url, SIGNALS, token=app["token"]) as events:
            await until(subscribed)
            await client.mutate("sendSignal", "sentAt", roomId=room, kind="CUSTOM", data={"a": [None]})

            assert await events.next() == ("next", {"data": {"signals": {"kind": "CUSTOM", "data": {"a": [None]}}}})
            assert events.last_id == ""
        await until(unsubscribed)

        async with connected(url, {"authorization": f"Bearer {app['token']}"}) as socket:
            await send(socket, id="1", type="subscribe", payload={"query": SIGNALS})
            await until(subscribed)
            await send(socket, id="1", type="complete")
            await until(unsubscribed)
