"""Copies of one event, handled at once by workers at several servers that are killed: its effect is taken once."""

import asyncio
from collections import Counter

import httpx

from tests.conftest import ADMIN_TOKEN
from tests.faults.clients import Client, Refused
from tests.processes import ServerProcess
from tests.server.graphql.test_sse_subscriptions import until_leased
from tests.server.websocket_client import connected, receive, send
from tests.storage.support import until

COPIES = 200
#: Events, each of whose copies are handled at once. The first two servers are killed meanwhile.
EVENTS = 3
FOLLOW = (
    'subscription { events(consumer: "c", types: [MESSAGE_SENT]) { cursor ... on MessageSent { message { text } } } }'
)
MESSAGES = "query ($room: ID!) { room(by: { id: $room }) { messages(first: 200) { nodes { text } } } }"


async def handle(client: Client, room: str, number: int, cursor: str, at: int) -> str:
    """Answer the question at whichever server is there, until it is certainly answered. Returns what came of it."""
    while True:
        try:
            await client.mutate(
                "sendMessage",
                "message { id }",
                at=at,
                roomId=room,
                text=f"answer {number}",
                ack={"consumer": "c", "cursor": cursor},
            )
        except httpx.TransportError:
            at += 1
        except Refused as refusal:
            if refusal.extensions["code"] != "UNAVAILABLE":
                return str(refusal.extensions["code"])
        else:
            return "answered"


async def test_effect_of_an_event_is_taken_once_although_servers_are_killed(
    mongodb_uri: str, database_name: str
) -> None:
    with (
        ServerProcess(mongodb_uri, database_name) as one,
        ServerProcess(mongodb_uri, database_name) as other,
        ServerProcess(mongodb_uri, database_name) as last,
    ):
        servers = [one, other, last]
        async with (
            Client([server.url for server in servers]) as client,
            connected(last.url, {"authorization": f"Bearer {ADMIN_TOKEN}"}) as socket,
        ):
            await client.visitor("v")
            room = (await client.start("v"))["id"]
            await send(socket, id="1", type="subscribe", payload={"query": FOLLOW})
            await until_leased(client)

            for number in range(EVENTS):
                await client.mutate("sendMessage", "message { id }", at=2, roomId=room, text=f"question {number}")
                event = (await receive(socket))["payload"]["data"]["events"]
                assert event["message"]["text"] == f"question {number}"
                handling = [
                    asyncio.create_task(handle(client, room, number, event["cursor"], copy)) for copy in range(COPIES)
                ]
                if servers[number] is not last:
                    await asyncio.wait(handling, return_when=asyncio.FIRST_COMPLETED)
                    servers[number].kill()
                outcomes = Counter(await asyncio.gather(*handling))

                assert outcomes.keys() <= {"answered", "ALREADY_ACKNOWLEDGED"}
                assert outcomes["answered"] <= 1
                answer = (await receive(socket))["payload"]["data"]["events"]
                assert answer["message"]["text"] == f"answer {number}"
                await client.mutate(
                    "ackEvents", "consumer { name }", at=2, consumer="c", cursor=answer["cursor"], only=True
                )

            nodes = (await client.send(MESSAGES, at=2, room=room))["room"]["messages"]["nodes"]
            texts = [f"{what} {number}" for number in range(EVENTS) for what in ("question", "answer")]
            assert [node["text"] for node in nodes] == texts

            async def has_moved() -> bool:
                state = (await client.send("{ consumers { ackedCursor lag inFlight } }", at=2))["consumers"]
                return bool(state == [{"ackedCursor": answer["cursor"], "lag": 0, "inFlight": 0}])

            await until(has_moved)
