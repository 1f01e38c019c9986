"""Invalid requests over HTTP get an error that says what was wrong, and write nothing."""

import asyncio
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from storage.mongo.connection import COLLECTIONS
from tests.conftest import ADMIN_TOKEN

ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}
#: Collections that background tasks write, and apps for the time of their last use.
BACKGROUND_COLLECTIONS = frozenset({"apps", "leases", "log", "outbox", "processes", "removals"})


@pytest.fixture
def client(shared_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shared_url.removesuffix("graphql"), headers=ADMIN, timeout=30) as client:
        yield client


@pytest.fixture
def unchanged(mongodb_uri: str) -> Any:
    """A block that must not change stored documents or the log."""

    def stored_state() -> dict[str, Any]:
        with MongoClient[dict[str, Any]](mongodb_uri) as mongo:
            database = mongo["test-shared"]
            # MongoDB deletes expired tokens in the background.
            queries = {"tokens": {"expiresAt": None}}
            stored = {
                name: list(database[name].find(queries.get(name, {})))
                for name in COLLECTIONS
                if name not in BACKGROUND_COLLECTIONS
            }
            return {**stored, "log": database["log"].find_one(sort=[("_id", -1)], projection=["_id"])}

    @contextmanager
    def block() -> Iterator[None]:
        before = stored_state()
        yield
        assert stored_state() == before

    return block


def post(client: httpx.Client, query: str, **variables: object) -> httpx.Response:
    return client.post("graphql", json={"query": query, "variables": variables})


def ask(client: httpx.Client, query: str, **variables: object) -> Any:
    body = post(client, query, **variables).json()
    assert "errors" not in body, body
    return body["data"]


def leaves(value: Any) -> list[Any]:
    """The scalars of a response."""
    if isinstance(value, dict | list):
        return [leaf for one in (value.values() if isinstance(value, dict) else value) for leaf in leaves(one)]
    return [] if value is None else [value]


def refusal(response: httpx.Response) -> dict[str, Any]:
    """The extensions of the only error of a response."""
    (error,) = response.json()["errors"]
    assert not any((response.json().get("data") or {}).values())
    assert error["message"]
    extensions: dict[str, Any] = error["extensions"]
    return extensions


@pytest.fixture(scope="module")
def names(shared_url: str) -> dict[str, str]:
    """The ids and names of existing entities: a user with a unique field, a field of each target, a closed room."""
    tag = secrets.token_hex(4)
    made = {"tag": tag, "username": f"user-{tag}", "unique": f"u{tag}", "number": f"n{tag}", "select": f"s{tag}"}
    with httpx.Client(base_url=shared_url.removesuffix("graphql"), headers=ADMIN, timeout=30) as client:
        define = "mutation($i: DefineCustomFieldInput!) { defineCustomField(input: $i) { definition { id } } }"
        ask(client, define, i={"target": "USER", "key": made["unique"], "type": "TEXT", "unique": True})
        ask(client, define, i={"target": "USER", "key": made["number"], "type": "NUMBER"})
        ask(client, define, i={"target": "USER", "key": made["select"], "type": "SELECT", "options": ["a", "b"]})
        user = ask(
            client,
            "mutation($i: CreateUserInput!) { createUser(input: $i) { user { id } } }",
            i={"username": made["username"], "customFields": [{"key": made["unique"], "value": "taken"}]},
        )
        made["user"] = user["createUser"]["user"]["id"]
        ask(client, "mutation($t: String!) { saveVisitor(input: { token: $t }) { visitor { id } } }", t=tag)
        # Agents of other tests are not offered the room.
        create = "mutation($n: String!) { createDepartment(input: {name: $n, routing: MANUAL}) { department { id } } }"
        department = ask(client, create, n=tag)["createDepartment"]["department"]["id"]
        start = "mutation($i: StartRoomInput!) { startRoom(input: $i) { room { id } } }"
        started = ask(client, start, i={"visitorToken": tag, "departmentId": department})
        made["room"] = started["startRoom"]["room"]["id"]
    return made


CREATE = "mutation($i: CreateUserInput!) { createUser(input: $i) { user { id } } }"
UPDATE = "mutation($i: UpdateUserInput!) { updateUser(input: $i) { user { id } } }"
ADD_ROLES = "mutation($i: AddRolesInput!) { addRoles(input: $i) { user { id } } }"
UPDATE_ROOM = "mutation($i: UpdateRoomInput!) { updateRoom(input: $i) { room { id } } }"
START = "mutation($i: StartRoomInput!) { startRoom(input: $i) { room { id } } }"
SEND = "mutation($i: SendMessageInput!) { sendMessage(input: $i) { message { id } } }"
ASSIGN = "mutation($i: AssignAgentInput!) { assignAgent(input: $i) { room { id } } }"

MUTATIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # Unknown ids and names.
    (CREATE, {"username": "new", "roles": ["pilot"]}, {"code": "UNKNOWN_ROLE", "key": "pilot"}),
    (CREATE, {"username": "new", "roles": ["$ne"]}, {"code": "UNKNOWN_ROLE", "key": "$ne"}),
    (ADD_ROLES, {"userId": "{user}", "roles": ["a", "b"]}, {"code": "UNKNOWN_ROLE", "key": "a"}),
    (
        CREATE,
        {"username": "new", "customFields": [{"key": "$where", "value": "1"}]},
        {"code": "UNKNOWN_FIELD", "key": "$where"},
    ),
    (
        UPDATE,
        {"userId": "{user}", "customFields": [{"key": "a.b", "value": 1}]},
        {"code": "UNKNOWN_FIELD", "key": "a.b"},
    ),
    (UPDATE, {"userId": "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV", "name": "x"}, {"code": "NOT_FOUND", "key": "userId"}),
    (UPDATE, {"userId": "usr_", "name": "x"}, {"code": "NOT_FOUND", "key": "userId"}),
    (UPDATE, {"userId": "usr_\0", "name": "x"}, {"code": "NOT_FOUND", "key": "userId"}),
    (UPDATE, {"userId": "usr_" + "x" * 10_000, "name": "x"}, {"code": "NOT_FOUND", "key": "userId"}),
    (UPDATE, {"userId": "", "name": "x"}, {"code": "INVALID_INPUT", "key": "userId"}),
    (UPDATE, {"userId": "\0", "name": "x"}, {"code": "INVALID_INPUT", "key": "userId"}),
    (UPDATE, {"userId": "x" * 10_000, "name": "x"}, {"code": "INVALID_INPUT", "key": "userId"}),
    (START, {"visitorToken": "nobody"}, {"code": "NOT_FOUND", "key": "visitorToken"}),
    (START, {"visitorToken": "{tag}", "departmentId": "dep_nowhere"}, {"code": "NOT_FOUND", "key": "departmentId"}),
    (ASSIGN, {"roomId": "{room}", "agentId": "agt_nobody"}, {"code": "NOT_FOUND", "key": "agentId"}),
    (ASSIGN, {"roomId": "room_nowhere", "agentId": "{user}"}, {"code": "NOT_FOUND", "key": "roomId"}),
    (ASSIGN, {"roomId": "{room}", "agentId": "{user}"}, {"code": "NOT_AN_AGENT"}),
    # Values of the wrong type or form.
    (
        CREATE,
        {"username": "new", "customFields": [{"key": "{number}", "value": "3"}]},
        {"code": "INVALID_FIELD_VALUE", "key": "{number}", "expected": "NUMBER"},
    ),
    (
        CREATE,
        {"username": "new", "customFields": [{"key": "{select}", "value": "c"}]},
        {"code": "INVALID_FIELD_VALUE", "key": "{select}", "expected": 'SELECT of "a", "b"'},
    ),
    (
        CREATE,
        {"username": "new", "customFields": [{"key": "{unique}", "value": ["x"]}]},
        {"code": "INVALID_FIELD_VALUE", "key": "{unique}", "expected": "TEXT"},
    ),
    (
        CREATE,
        {"username": "new", "customFields": [{"key": "{unique}", "value": "x" * 4097}]},
        {"code": "INVALID_FIELD_VALUE", "key": "{unique}", "expected": "TEXT of at most 4096 characters"},
    ),
    (CREATE, {"username": ""}, {"code": "INVALID_INPUT", "key": "username"}),
    (CREATE, {"username": "x" * 65}, {"code": "INVALID_INPUT", "key": "username"}),
    (CREATE, {"username": "a b"}, {"code": "INVALID_INPUT", "key": "username"}),
    (CREATE, {"username": "a\0b"}, {"code": "INVALID_INPUT", "key": "username"}),
    (CREATE, {"username": "new", "name": "x" * 10_000}, {"code": "INVALID_INPUT", "key": "name"}),
    (CREATE, {"username": "new", "emails": ["no address"]}, {"code": "INVALID_INPUT", "key": "emails"}),
    (CREATE, {"username": "new", "password": "short"}, {"code": "INVALID_INPUT", "key": "password"}),
    (CREATE, {"username": "new", "clientMutationId": ""}, {"code": "INVALID_INPUT", "key": "clientMutationId"}),
    (SEND, {"roomId": "{room}", "text": ""}, {"code": "INVALID_INPUT", "key": "text"}),
    (SEND, {"roomId": "{room}", "text": "x" * 20_001}, {"code": "INVALID_INPUT", "key": "text"}),
    (UPDATE_ROOM, {"roomId": "{room}", "tags": [""]}, {"code": "INVALID_INPUT", "key": "tags"}),
    (UPDATE_ROOM, {"roomId": "{room}", "priority": -(2**31)}, {"code": "INVALID_INPUT", "key": "priority"}),
    (UPDATE_ROOM, {"roomId": "{room}", "subject": "x", "ifRevision": 99}, {"code": "STALE_REVISION", "revision": 2}),
    # Values of the wrong type for GraphQL itself.
    (UPDATE_ROOM, {"roomId": "{room}", "priority": 2**31}, {"code": "INVALID_INPUT", "key": "priority"}),
    (UPDATE_ROOM, {"roomId": "{room}", "priority": 10**400}, {"code": "INVALID_INPUT", "key": "priority"}),
    (UPDATE_ROOM, {"roomId": "{room}", "priority": 1.5}, {"code": "INVALID_INPUT", "key": "priority"}),
    (UPDATE_ROOM, {"roomId": "{room}", "tags": [None]}, {"code": "INVALID_INPUT", "key": "tags"}),
    (CREATE, {"username": 7}, {"code": "INVALID_INPUT", "key": "username"}),
    (CREATE, {"username": None}, {"code": "INVALID_INPUT", "key": "username"}),
    (CREATE, {"username": "new", "type": "HUMAN"}, {"code": "INVALID_INPUT", "key": "type"}),
    (CREATE, {"username": "new", "customFields": [{"key": "k", "value": {"$gt": ""}}]}, {"code": "INVALID_INPUT"}),
    (CREATE, {"username": {"$ne": ""}}, {"code": "INVALID_INPUT", "key": "username"}),
    # Taken values.
    (CREATE, {"username": "{username}"}, {"code": "USERNAME_TAKEN"}),
    (
        CREATE,
        {"username": "new", "customFields": [{"key": "{unique}", "value": "taken"}]},
        {"code": "DUPLICATE_VALUE", "key": "{unique}"},
    ),
]


@pytest.mark.parametrize(("mutation", "given", "expected"), MUTATIONS)
def test_invalid_mutation_is_refused_with_its_code(
    client: httpx.Client,
    unchanged: Any,
    names: dict[str, str],
    mutation: str,
    given: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    expected_data = filled(expected, names)
    with unchanged():
        answer = refusal(post(client, mutation, i=filled(given, names)))

    assert {key: answer[key] for key in expected_data} == expected_data


def filled(value: Any, names: dict[str, str]) -> Any:
    match value:
        case str() if value[:1] == "{":
            return names[value[1:-1]]
        case dict():
            return {key: filled(one, names) for key, one in value.items()}
        case list():
            return [filled(one, names) for one in value]
    return value


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ users(first: 0) { nodes { id } } }", {"code": "INVALID_INPUT", "key": "first"}),
        ("{ users(first: -1) { nodes { id } } }", {"code": "INVALID_INPUT", "key": "first"}),
        ("{ users(first: 201) { nodes { id } } }", {"code": "INVALID_INPUT", "key": "first"}),
        ("{ events(first: 201) { nodes { id } } }", {"code": "INVALID_INPUT", "key": "first"}),
        ('{ users(after: "") { nodes { id } } }', {"code": "INVALID_CURSOR", "key": "after"}),
        ('{ users(after: "not a cursor") { nodes { id } } }', {"code": "INVALID_CURSOR", "key": "after"}),
        ('{ users(after: "\\u0000\\uffff") { nodes { id } } }', {"code": "INVALID_CURSOR", "key": "after"}),
        ('{ users(after: "kqdjcmVhdGVkwA") { nodes { id } } }', {"code": "INVALID_CURSOR", "key": "after"}),
        ('{ events(after: "kqdjcmVhdGVkoWE") { nodes { id } } }', {"code": "INVALID_CURSOR", "key": "after"}),
        (
            '{ users(orderBy: { field: USERNAME }, after: "kqdjcmVhdGVkoWE") { nodes { id } } }',
            {"code": "INVALID_CURSOR", "key": "after"},
        ),
        (
            '{ departments { agents(after: "?") { nodes { id } } } users(first: 1, after: "!") { nodes { id } } }',
            {"code": "INVALID_CURSOR", "key": "after"},
        ),
        (
            '{ users(where: { customFields: [{ key: "no.such", eq: 1 }] }) { nodes { id } } }',
            {"code": "UNKNOWN_FIELD", "key": "no.such"},
        ),
        (
            '{ user(by: { customField: { key: "$where", value: "1" } }) { id } }',
            {"code": "UNKNOWN_FIELD", "key": "$where"},
        ),
        ("{ user(by: {}) { id } }", {"code": "GRAPHQL_VALIDATION_FAILED"}),
        ('{ user(by: { id: "a", username: "b" }) { id } }', {"code": "GRAPHQL_VALIDATION_FAILED"}),
        ("{ users(first: 99999999999999999999) { nodes { id } } }", {"code": "GRAPHQL_VALIDATION_FAILED"}),
        ('{ user(by: { username: "\\ud800" }) { id } }', {"code": "GRAPHQL_PARSE_FAILED"}),
        ("{ users { nodes { nothing } } }", {"code": "GRAPHQL_VALIDATION_FAILED"}),
        ("{ users { nodes { id }", {"code": "GRAPHQL_PARSE_FAILED"}),
        ("", {"code": "INVALID_INPUT", "key": "request"}),
    ],
)
def test_invalid_query_is_refused_with_its_code(client: httpx.Client, query: str, expected: dict[str, str]) -> None:
    answers = post(client, query).json()

    assert not leaves(answers.get("data"))
    for error in answers["errors"]:
        assert {key: error["extensions"][key] for key in expected} == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [("username", '"\\ud800"'), ("username", '"\\udfff\\ud800"'), ("username", '"\xff"'), ("type", '"\\ud83d"')],
)
def test_lone_surrogate_is_refused_as_invalid_json(client: httpx.Client, unchanged: Any, name: str, value: str) -> None:
    body = '{"query": %s, "variables": {"i": {"%s": %s}}}' % (json.dumps(CREATE), name, value)  # noqa: UP031

    with unchanged():
        response = client.post("graphql", content=body.encode("latin-1"), headers={"content-type": "application/json"})

    assert response.status_code == 400
    assert refusal(response)["code"] == "INVALID_INPUT"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nonsense", b"[]", b'{"query": 1}', b'{"query": "{ viewer { name } }", }']
)
def test_invalid_json_is_refused(client: httpx.Client, body: bytes) -> None:
    response = client.post("graphql", content=body, headers={"content-type": "application/json"})

    assert response.status_code == 400
    assert refusal(response) == {"code": "INVALID_INPUT", "key": "request"}


def test_every_operation_requires_a_token(shared_url: str, unchanged: Any) -> None:
    with unchanged(), httpx.Client(base_url=shared_url.removesuffix("graphql")) as client:
        for headers in ({}, {"authorization": "Bearer nonsense"}, {"authorization": "nonsense"}):
            for query in (
                "{ users { nodes { id } } }",
                "{ eventCursor }",
                'mutation { createUser(input: { username: "x" }) { user { id } } }',
            ):
                response = client.post("graphql", json={"query": query}, headers=headers)
                assert refusal(response)["code"] == "UNAUTHENTICATED"


def test_missing_scope_is_named(client: httpx.Client, shared_url: str, unchanged: Any) -> None:
    create = 'mutation { createApp(input: { name: "reader", scopes: ["rooms:read"] }) { token } }'
    headers = {"authorization": f"Bearer {ask(client, create)['createApp']['token']}"}

    with unchanged(), httpx.Client(base_url=shared_url.removesuffix("graphql"), headers=headers) as reader:
        refusals = [
            refusal(post(reader, query))
            for query in (
                "{ users { nodes { id } } }",
                'mutation { createUser(input: { username: "x" }) { user { id } } }',
                'mutation { createApp(input: { name: "x", scopes: ["rooms:read"] }) { token } }',
                'mutation { assignAgent(input: { roomId: "room_x", agentId: "agt_y" }) { room { id } } }',
            )
        ]

    assert refusals == [
        {"code": "FORBIDDEN", "scope": scope} for scope in ("users:read", "users:write", "apps:write", "rooms:assign")
    ]


async def test_concurrent_writers_of_one_unique_value_leave_one_winner(shared_url: str, names: dict[str, str]) -> None:
    value = secrets.token_hex(4)

    async with httpx.AsyncClient(base_url=shared_url.removesuffix("graphql"), headers=ADMIN, timeout=30) as client:

        async def create(number: int) -> Any:
            given = {
                "username": f"racer-{value}-{number}",
                "customFields": [{"key": names["unique"], "value": value}],
            }
            return (await client.post("graphql", json={"query": CREATE, "variables": {"i": given}})).json()

        answers = await asyncio.gather(*(create(number) for number in range(20)))
        found = await client.post(
            "graphql",
            json={"query": '{ users(where: { username: { startsWith: "racer-%s" } }) { totalCount } }' % value},  # noqa: UP031
        )

    (holder,) = [answer["data"]["createUser"]["user"] for answer in answers if "errors" not in answer]
    codes = [error["extensions"] for answer in answers for error in answer.get("errors", ())]
    assert codes == [{"code": "DUPLICATE_VALUE", "key": names["unique"], "holder": holder}] * 19
    assert found.json()["data"]["users"]["totalCount"] == 1
