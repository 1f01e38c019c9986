"""The operations of app-data.md work as described."""

import re
from contextlib import aclosing
from pathlib import Path

import pytest

from resolvers import events, validation
from resolvers.apps import ADMIN_APP_ID
from resolvers.auth.access import ADMIN, Caller
from resolvers.context import Context, Services
from storage.app_data import MAX_KEYS
from storage.records import Actor, ActorType
from tests.faults.clients import Client, Refused
from tests.storage.support import until

#: The app whose token the client has.
ADMIN_CALLER = Caller(Actor(type=ActorType.APP, id=ADMIN_APP_ID, name="admin"), frozenset({ADMIN}))

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "app-data.md").read_text(encoding="utf-8")


def samples() -> dict[str, str]:
    """The operations of the page by their names."""
    found = re.findall(r"```graphql\n(\w+ (\w+).*?)```", PAGE, re.DOTALL)
    return {name: text for text, name in found}


async def test_operations_of_the_page_work(services: Services, url: str) -> None:
    operations = samples()
    async with Client([url]) as client:
        await client.mutate(
            "defineCustomField", "definition { id }", target="ROOM", key="case", type="TEXT", unique=True
        )
        first = (await client.send(operations["Ensure"], case="4711"))["ensureRoom"]
        again = (await client.send(operations["Ensure"], case="4711"))["ensureRoom"]
        assert (first["created"], again) == (True, {"created": False, "room": first["room"]})

        room = first["room"]["id"]
        datum = (await client.send(operations["Remember"], room=room))["setAppData"]["datum"]
        assert (datum["key"], datum["value"], datum["version"]) == ("dialog", {"step": 2, "asked": ["name"]}, 1)
        advanced = (await client.send(operations["Advance"], room=room, version=1))["setAppData"]["datum"]
        assert advanced == {"version": 2}
        recalled = (await client.send(operations["Recall"], room=room))["room"]
        assert recalled == {"dialog": {"value": {"step": 3}, "version": 2}, "visitor": {"profile": None}}

        async with aclosing(await events.subscribe(Context(services, ADMIN_CALLER), consumer="counter")):
            pass
        await client.mutate("sendMessage", "message { id }", roomId=room, text="Hi")
        counting = {"room": room, "count": 1, "version": 0, "cursor": await cursor_of_message(client, room)}
        counted = await client.send(operations["Count"], **counting)
        assert counted["setAppData"]["datum"] == {"version": 1}
        with pytest.raises(Refused) as caught:
            await client.send(operations["Count"], **counting)
        assert caught.value.extensions["code"] == "ALREADY_ACKNOWLEDGED"


async def cursor_of_message(client: Client, room: str) -> str:
    """The cursor of the event of the room's message, when the log has it."""
    text = "query ($id: ID!) { room(by: {id: $id}) { events(last: 1) { edges { cursor node { type } } } } }"
    found: list[str] = []

    async def is_in_the_log() -> bool:
        (edge,) = (await client.send(text, id=room))["room"]["events"]["edges"]
        found.append(edge["cursor"])
        return bool(edge["node"]["type"] == "MESSAGE_SENT")

    await until(is_in_the_log)
    return found[-1]


def test_limits_of_the_page_are_those_of_the_code() -> None:
    assert f"| a key | 1 to {validation.MAX_NAME_CHARACTERS} characters" in PAGE
    assert (
        f"| a value | {validation.MAX_JSON_BYTES // 1024} KiB as JSON, nested {validation.MAX_JSON_DEPTH} levels"
        in PAGE
    )
    assert f"| keys of one app beside one entity | {MAX_KEYS} |" in PAGE
