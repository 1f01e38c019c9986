"""The guide for frontends shows the files that `make audit` runs, and its operations run against a server."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLObjectType,
    OperationDefinitionNode,
    build_schema,
    parse,
    print_ast,
    separate_operations,
    validate,
)

from server.settings import Settings
from tests.faults.clients import Client
from tests.processes import ADMIN_TOKEN
from tests.server.websocket_client import connected, receive, send

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "frontends"
SAMPLES = ROOT / "audit" / "frontends"
#: Files of the pages for browsers that are the same as files of the samples.
OF_PAGES = {"web/src/dashboard/client/roomCache.ts": "apollo/src/roomCache.ts"}
SCHEMA = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))
#: A file of the samples on a page: a link to it, and the block with its text.
SHOWN = re.compile(
    r"^\[`([^`]+)`\]\(\.\./\.\./\.\./audit/frontends/([^)]+)\):\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL
)


def pages() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in sorted(GUIDE.glob("*.md")))


def documents() -> dict[str, str]:
    """Every document of the pages and of the sources that they show, by its file and its operations' names."""
    found = {}
    for page in GUIDE.glob("*.md"):
        for text in re.findall(r"```graphql\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            found[f"{page.name} {operation_names(text)}"] = text
    for file in SAMPLES.rglob("src/*.ts*"):
        source = file.read_text(encoding="utf-8")
        templates = dict(re.findall(r"(\w+) = (?:gql|graphql)(?:<[^`]*>)?`(.*?)`", source, re.DOTALL))
        for text in templates.values():
            if text.lstrip().startswith("fragment"):
                continue
            # Relay finds fragments by their names, the others by JavaScript.
            used = set(re.findall(r"\$\{(\w+)\}", text)) | {"roomFragment"} & templates.keys()
            text = re.sub(r"\$\{\w+\}| @relay\(mask: false\)| @raw_response_type", "", text) + "".join(
                templates[name] for name in used
            )
            found[f"{file.relative_to(SAMPLES).parts[0]} {operation_names(text)}"] = text
    return found


def operation_names(text: str) -> str:
    nodes = [node for node in parse(text).definitions if isinstance(node, OperationDefinitionNode)]
    return " ".join(node.name.value for node in nodes if node.name is not None)


def operation(source: str, name: str) -> str:
    """The text of one operation of a page or a client, with the fragments that it uses."""
    texts = [text for key, text in documents().items() if key.startswith(f"{source} ") and name in key.split()]
    document = separate_operations(parse(texts[0]))[name]
    return print_ast(document)


def test_pages_show_the_files_of_the_audit() -> None:
    shown = {path: (name, text) for name, path, text in SHOWN.findall(pages())}

    files = {
        path.relative_to(SAMPLES).as_posix(): path.read_text(encoding="utf-8")
        for path in SAMPLES.rglob("*.*")
        if "judges" not in path.parts
    }
    assert {path: text for path, (_, text) in shown.items()} == files
    assert all(path.endswith(name) for path, (name, _) in shown.items())


@pytest.mark.parametrize(("page", "sample"), OF_PAGES.items())
def test_the_dashboard_uses_the_file_of_the_audit(page: str, sample: str) -> None:
    assert (ROOT / page).read_text(encoding="utf-8") == (SAMPLES / sample).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(documents()))
def test_operations_of_the_guide_are_valid(name: str) -> None:
    assert [error.message for error in validate(SCHEMA, parse(documents()[name]))] == []


def test_guide_names_every_type_that_has_an_id_and_is_no_node() -> None:
    others = {
        name
        for name, type_ in SCHEMA.type_map.items()
        if isinstance(type_, GraphQLObjectType) and "id" in type_.fields
        if "Node" not in {interface.name for interface in type_.interfaces}
    }

    assert others == {"Actor", "Viewer", "Choice", "CustomFieldRemoval"}
    assert all(f"`{name}`" in pages() for name in others)


def test_origins_of_development_are_the_setting_of_the_guide() -> None:
    assert "allowed_origins" in {field.name for field in fields(Settings)}


async def test_state_and_stream_of_a_room_miss_no_change(shared_url: str) -> None:
    async with Client([shared_url]) as client:
        token = await client.visitor("guide of frontends")
        room = (await client.start(token))["id"]
        state = await client.send(operation("README.md", "RoomPage"), id=room)
        assert state["room"]["messages"]["nodes"] == []
        await client.send(operation("apollo", "RenameRoom"), id=room, subject="A new subject")
        await client.mutate("sendMessage", "message { id }", roomId=room, text="Hello")

        received: list[Any] = []
        async with connected(shared_url, {"authorization": f"Bearer {ADMIN_TOKEN}"}) as socket:
            variables = {"id": room, "after": state["eventCursor"]}
            await send(
                socket,
                id="1",
                type="subscribe",
                payload={"query": operation("README.md", "RoomEvents"), "variables": variables},
            )
            received += [(await receive(socket))["payload"]["data"]["events"] for _ in range(2)]

    assert [event["type"] for event in received] == ["ROOM_UPDATED", "MESSAGE_SENT"]
    assert [event["room"]["current"]["subject"] for event in received] == ["A new subject"] * 2
    assert received[1]["message"]["current"]["text"] == "Hello"


@pytest.mark.parametrize(
    ("source", "query", "subscription"),
    [
        ("apollo", "Rooms", "RoomList"),
        ("urql", "Rooms", "RoomList"),
        ("relay", "watchRoomsQuery", "watchRoomsSubscription"),
    ],
)
async def test_live_list_of_the_guide_is_the_query(shared_url: str, source: str, query: str, subscription: str) -> None:
    async with Client([shared_url]) as client:
        department = await client.mutate("createDepartment", "department { id }", name=f"guide {source}")
        where = {"departmentId": department["department"]["id"]}
        token = await client.visitor("guide of frontends")
        for _ in range(3):
            await client.start(token, **where)
        rooms = (await client.send(operation(source, query), where=where, first=2))["rooms"]["nodes"]

        async with connected(shared_url, {"authorization": f"Bearer {ADMIN_TOKEN}"}) as socket:
            payload = {"query": operation(source, subscription), "variables": {"where": where, "first": 2}}
            await send(socket, id="1", type="subscribe", payload=payload)
            messages = [(await receive(socket))["payload"]["data"]["roomList"] for _ in range(3)]

    assert [message["change"] for message in messages] == ["PRESENT", "PRESENT", "READY"]
    assert [message["room"] for message in messages[:2]] == rooms
    assert messages[2]["totalCount"] == 3


async def test_counts_of_the_guide_are_sent_at_once(shared_url: str) -> None:
    async with Client([shared_url]) as client:
        department = await client.mutate("createDepartment", "department { id }", name="guide counts")
        where = {"departmentId": department["department"]["id"]}
        await client.start(await client.visitor("guide of frontends"), **where)

        async with connected(shared_url, {"authorization": f"Bearer {ADMIN_TOKEN}"}) as socket:
            payload = {"query": operation("README.md", "Queue"), "variables": {"where": where}}
            await send(socket, id="1", type="subscribe", payload=payload)
            counts = (await receive(socket))["payload"]["data"]["roomCounts"]

    assert [(group["status"], group["count"], group["department"]["name"]) for group in counts["groups"]] == [
        ("QUEUED", 1, "guide counts")
    ]


async def test_history_of_the_generated_clients_names_the_types_of_events(shared_url: str) -> None:
    async with Client([shared_url]) as client:
        room = (await client.start(await client.visitor("guide of frontends")))["id"]
        closed = await client.send(operation("code-generation.md", "CloseRoom"), roomId=room, comment="done")
        history = await client.send(operation("code-generation.md", "RoomHistory"), id=room)

    assert closed["closeRoom"]["room"]["closeComment"] == "done"
    events = history["room"]["events"]["nodes"]
    assert (events[0]["__typename"], events[0]["room"]["status"]) == ("RoomStarted", "QUEUED")
    assert (events[-1]["__typename"], events[-1]["comment"]) == ("RoomClosed", "done")
