"""Lists keep their nodes encoded, and have the response of Strawberry's view, which keeps none, after every change."""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from schema.agents import Agent
from schema.users import User
from tests.acceptance.clients import Client
from tests.conftest import ADMIN_TOKEN

VIEWED = {"accept": "application/json, text/event-stream;q=0.1"}
AGENTS = """query($after: Cursor, $all: Boolean = true) { agents(first: 20, after: $after) {
  edges { cursor node { __typename id: userId status routable lastAssignedAt again: maxRooms
    user { id username name roles { name description } customFields { key value } agent { openRoomCount } }
    ... on Agent @include(if: $all) { departments { id name } } } }
  nodes { id ...Named } pageInfo { endCursor } } }
  fragment Named on Agent { user { name } }"""
USERS = "{ users(first: 20, orderBy: {field: NAME}) { nodes { name customFields { key value } } } }"


class Lists:
    """A server with three agents in a department, and two ways to ask it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.department = client.department()
        self.field = client.field("USER", "TEXT")
        self.agents = [
            client.agent(self.department, name=f"Agent {number}", customFields=[{"key": self.field, "value": "é"}])
            for number in range(3)
        ]
        self.user = self.agents[0].replace("agt_", "usr_")

    def response(
        self, query: str, token: str | None = None, headers: dict[str, str] | None = None, **vars: Any
    ) -> bytes:
        sent = {"authorization": f"Bearer {token or ADMIN_TOKEN}", **(headers or {})}
        return self.client.http.post(self.client.url, json={"query": query, "variables": vars}, headers=sent).content

    def encoded(self, query: str, **options: Any) -> bytes:
        """The second response is made of nodes that the first one kept."""
        first = self.response(query, **options)
        assert self.response(query, **options) == first
        return first

    def viewed(self, query: str, **options: Any) -> bytes:
        return self.response(query, headers=VIEWED, **options)

    def settled(self, query: str, shows: bytes, **options: Any) -> bytes:
        """The response of the view, once this process knows of the change."""
        while shows not in (found := self.viewed(query, **options)):
            pass
        return found


@pytest.fixture(scope="module")
def lists(shared_url: str) -> Iterator[Lists]:
    with httpx.Client() as http:
        yield Lists(Client(http, shared_url, ADMIN_TOKEN))


@pytest.mark.parametrize("query", [AGENTS, USERS])
def test_response_is_that_of_the_view(lists: Lists, query: str) -> None:
    assert lists.encoded(query) == lists.viewed(query)
    assert "errors" not in msgspec.json.decode(lists.encoded(query))


def test_nodes_that_are_kept_are_not_made_again(lists: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(kind: Any) -> Any:
        make = kind.from_record.__func__

        def from_record(cls: type, record: Any) -> Any:
            made.append(record.id)
            return make(cls, record)

        return classmethod(from_record)

    monkeypatch.setattr(Agent, "from_record", counted(Agent))
    monkeypatch.setattr(User, "from_record", counted(User))
    query = AGENTS.replace("lastAssignedAt", "changed: lastAssignedAt")

    lists.response(query)
    first, made[:] = len(made), []
    lists.response(query)

    assert (first > 0, made) == (True, [])


def test_variables_of_include_are_selections_of_their_own(lists: Lists) -> None:
    for value in (True, False, True):
        assert lists.encoded(AGENTS, all=value) == lists.viewed(AGENTS, all=value)
        assert (b'"departments"' in lists.encoded(AGENTS, all=value)) is value


def test_change_of_a_node_is_in_the_next_response(lists: Lists) -> None:
    lists.encoded(AGENTS)
    lists.client.change("updateUser", userId=lists.user, name="Renamed")

    assert b'"Renamed"' in lists.encoded(AGENTS)
    assert lists.encoded(AGENTS) == lists.viewed(AGENTS)


def test_change_of_a_department_is_in_the_response_as_soon_as_the_process_knows_it(lists: Lists) -> None:
    lists.encoded(AGENTS)
    lists.client.change("updateDepartment", departmentId=lists.department, name="Moved department")

    expected = lists.settled(AGENTS, b"Moved department")
    assert lists.encoded(AGENTS) == expected


def test_change_of_a_role_is_in_the_response_as_soon_as_the_process_knows_it(lists: Lists) -> None:
    role = lists.client.change("createRole", "role { id name }", name="expert", description="before")["role"]
    lists.client.change("addRoles", userId=lists.user, roles=["expert"])
    assert b'"before"' in lists.settled(AGENTS, b'"before"')
    lists.encoded(AGENTS)
    lists.client.change("updateRole", roleId=role["id"], description="afterwards")

    expected = lists.settled(AGENTS, b'"afterwards"')
    assert lists.encoded(AGENTS) == expected


def test_removed_custom_field_is_in_no_response(lists: Lists) -> None:
    key = lists.client.field("USER", "NUMBER")
    lists.client.change("updateUser", userId=lists.user, customFields=[{"key": key, "value": 7}])
    assert key.encode() in lists.encoded(USERS)
    definitions = lists.client.ask("{ customFieldDefinitions { id key } }")["customFieldDefinitions"]
    (removed,) = [one["id"] for one in definitions if one["key"] == key]
    lists.client.change("removeCustomField", id=removed)

    assert key.encode() not in lists.encoded(USERS)
    assert lists.encoded(USERS) == lists.viewed(USERS)


@pytest.mark.parametrize(
    "selection",
    ["rooms { nodes { id } }", 'user { appData(key: "k") { value } }', 'user { customField(key: "none") }'],
)
def test_fields_with_a_scope_or_arguments_are_answered_for_each_caller(lists: Lists, selection: str) -> None:
    query = f"{{ agents(first: 20) {{ nodes {{ id {selection} }} }} }}"
    token = lists.client.app("users:read").token
    for one in (ADMIN_TOKEN, token, ADMIN_TOKEN):
        assert lists.encoded(query, token=one) == lists.viewed(query, token=one)


def test_caller_without_the_scope_of_a_list_gets_nothing_that_others_have_kept(lists: Lists) -> None:
    lists.encoded(AGENTS)
    token = lists.client.app("visitors:read").token

    found = msgspec.json.decode(lists.encoded(AGENTS, token=token))
    assert found["data"] == {"agents": None}
    assert [error["extensions"]["code"] for error in found["errors"]] == ["FORBIDDEN"]
