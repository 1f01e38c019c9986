"""The items of the OWASP GraphQL Cheat Sheet, in its order and by its headings, with a test for each."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from resolvers import users
from resolvers.auth.login_throttle import LoginThrottle
from resolvers.context import Services
from schema.base import ids
from server.settings import Settings
from storage.mongo import stored_documents
from storage.mongo.connection import Database
from tests.conftest import ADMIN_TOKEN, served
from tests.resolvers.world import World
from tests.schema.execution.test_cost_limits import BOMB
from tests.server.auth.test_revocation import execute

ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}


async def ask(url: str, query: str, headers: dict[str, str] = ADMIN, **variables: object) -> dict[str, Any]:
    async with httpx.AsyncClient(headers=headers, timeout=30) as client:
        answer = await client.post(url, json={"query": query, "variables": variables})
    body: dict[str, Any] = answer.json()
    return body


async def codes(url: str, query: str, headers: dict[str, str] = ADMIN, **variables: object) -> list[str]:
    return [error["extensions"]["code"] for error in (await ask(url, query, headers, **variables)).get("errors", ())]


@pytest.fixture
async def closed_url(services: Services) -> AsyncIterator[str]:
    """A server with the settings for a public deployment."""
    async with served(services, Settings(introspection=False, rate_per_address=0.5)) as address:
        yield address


# ---------------------------------------------------------------- Input Validation


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query($first: Int) { users(first: $first) { nodes { id } } }", {"first": "1; drop"}),
        ("query($first: Int) { users(first: $first) { nodes { id } } }", {"first": 10**12}),
        ("query($where: UserFilter) { users(where: $where) { nodes { id } } }", {"where": {"$where": "1"}}),
        ("query($where: UserFilter) { users(where: $where) { nodes { id } } }", {"where": {"username": {"$ne": ""}}}),
        ("query($where: UserFilter) { users(where: $where) { nodes { id } } }", {"where": {"type": "ROOT"}}),
        ("query($id: ID!) { agent(id: $id) { id } }", {"id": {"$gt": ""}}),
    ],
)
async def test_input_validation_allows_only_what_the_schema_describes(
    shared_url: str, query: str, variables: dict[str, object]
) -> None:
    assert await codes(shared_url, query, ADMIN, **variables) == ["INVALID_INPUT"]


@pytest.mark.parametrize("given", ["", "x" * 1_000, "a\u0000b", "a\nb"])
async def test_input_validation_bounds_texts(shared_url: str, given: str) -> None:
    create = "mutation($name: String!) { createUser(input: {username: $name}) { user { id } } }"

    assert await codes(shared_url, create, name=given) == ["INVALID_INPUT"]


# ---------------------------------------------------------------- Injection Prevention


@pytest.mark.parametrize(
    "given",
    [
        '{"$gt": ""}',
        "'; db.users.drop(); //",
        "$where",
        ".*",
        "^a",
        "a.b",
        "admin' || '1'=='1",
        "<script>alert(1)</script>",
    ],
)
async def test_injection_prevention_input_is_treated_as_data(shared_url: str, given: str) -> None:
    find = """query($t: String!) {
        users(where: {username: {startsWith: $t}}) { totalCount } user(by: {username: $t}) { id } }"""
    token = f"{given}{secrets.token_hex(4)}"
    save = "mutation($t: String!) { saveVisitor(input: {token: $t, name: $t}) { visitor { token name } } }"

    assert (await ask(shared_url, find, t=given))["data"] == {"users": {"totalCount": 0}, "user": None}
    assert (await ask(shared_url, save, t=token))["data"]["saveVisitor"]["visitor"] == {"token": token, "name": token}


# ---------------------------------------------------------------- DoS Prevention


async def test_query_limiting_depth(shared_url: str) -> None:
    deep = "{ rooms { nodes { " + "servedBy { rooms { nodes { " * 7 + "id" + " } } }" * 7 + " } } }"

    assert await codes(shared_url, deep) == ["QUERY_TOO_COMPLEX"]


@pytest.mark.parametrize("first", [0, -1, 201, 2**31 - 1])
async def test_query_limiting_amount(shared_url: str, first: int) -> None:
    assert await codes(shared_url, "query($n: Int) { users(first: $n) { nodes { id } } }", n=first) == ["INVALID_INPUT"]


async def test_query_cost_analysis(shared_url: str) -> None:
    rooms = "rooms(first: 200) { nodes { messages(first: 200) { nodes { id } } } }"
    costly = f"{{ agents(first: 200) {{ nodes {{ {rooms} }} }} }}"

    assert await codes(shared_url, costly) == ["QUERY_TOO_COMPLEX"]


async def test_query_cost_analysis_is_not_itself_costly(shared_url: str) -> None:
    """Exponentially nested fragments are refused in milliseconds, and do not delay other requests."""
    async with httpx.AsyncClient(headers=ADMIN, timeout=30) as client:

        async def timed(query: str) -> tuple[float, httpx.Response]:
            began = time.process_time()  # of this process, which contains the server
            answer = await client.post(shared_url, json={"query": query})
            return time.process_time() - began, answer

        await timed(BOMB)  # opens a connection
        seconds, refusal = await timed(BOMB + "#")
        began = time.process_time()
        bombs = asyncio.gather(*(timed(f"{BOMB}#{number}") for number in range(20)))
        others = asyncio.gather(*(timed("{ __typename }") for _ in range(20)))
        answers = [answer for _, answer in [*await bombs, *await others]]
        used = time.process_time() - began

    assert len(BOMB) < 1_200
    assert refusal.json()["errors"][0]["extensions"] == {"code": "QUERY_TOO_COMPLEX"}
    assert [answer.status_code for answer in answers] == [200] * 40
    assert seconds < 0.2
    assert used < 2


async def test_pagination(shared_url: str) -> None:
    """Every list of user data has pages of a limited size."""
    schema = await ask(shared_url, "{ __schema { queryType { fields { name type { kind ofType { kind } } } } } }")
    lists = [
        field["name"]
        for field in schema["data"]["__schema"]["queryType"]["fields"]
        if "LIST" in (field["type"]["kind"], (field["type"]["ofType"] or {}).get("kind"))
    ]

    # Lists that are short in every deployment or belong to a token or room, and `nodes`, which takes 100 ids.
    assert sorted(lists) == [
        "apps",
        "consumers",
        "customFieldDefinitions",
        "customFieldRemovals",
        "departments",
        "errorCodes",
        "nodes",
        "roles",
        "timers",
        "webhooks",
    ]


async def test_timeouts(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("storage.roles.list_all", wait)

    async with served(services, Settings(max_query_seconds=0.1)) as url:
        (error,) = (await ask(url, "{ roles { name } }"))["errors"]

    assert error["extensions"] == {"code": "UNAVAILABLE", "retryable": True}
    assert error["message"] == "The query took longer than 0.1 s."


async def test_server_side_batching_and_caching(services: Services, url: str) -> None:
    """An entity that many rows refer to is read once."""
    world = World(services)
    await world.visitor()
    await asyncio.gather(*(world.start() for _ in range(5)))
    reads = 0
    find = stored_documents.find

    async def counted(database: Database, collection: str, *args: Any, **kwargs: Any) -> Any:
        nonlocal reads
        reads += collection == "visitors"
        return await find(database, collection, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_documents, "find", counted)
        answer = await ask(url, "{ rooms { nodes { visitor { token } again: visitor { id } } } }")

    assert [room["visitor"]["token"] for room in answer["data"]["rooms"]["nodes"]] == ["v"] * 5
    assert reads == 1


async def test_rate_limiting(closed_url: str) -> None:
    answers = await asyncio.gather(*(codes(closed_url, "{ viewer { id } }") for _ in range(20)))

    assert answers.count([]) >= 5
    assert ["RATE_LIMITED"] in answers


async def test_system_resource_management_bounds_request_sizes(shared_url: str) -> None:
    async with httpx.AsyncClient(headers=ADMIN) as client:
        answer = await client.post(shared_url, json={"query": "{ __typename }" + " " * 300_000})

    assert answer.status_code == 413


# ---------------------------------------------------------------- Access Control


async def test_access_control_nothing_without_a_token(shared_url: str) -> None:
    for query in ("{ users { nodes { id } } }", "{ rooms { nodes { id } } }", "{ events { nodes { id } } }"):
        assert await codes(shared_url, query, {}) == ["UNAUTHENTICATED"]


async def test_access_control_of_edges_and_nodes(shared_url: str) -> None:
    """Every field that finds an object by id needs the scope of its type, also `node` and `nodes`."""
    create = 'mutation { createApp(input: {name: "nothing", scopes: ["fields:write"]}) { token } }'
    token = (await execute(shared_url, create))["createApp"]["token"]

    for query in (
        *('{ node(id: "usr_x") { id } }', '{ node(id: "room_x") { id } }', '{ node(id: "app_admin") { id } }'),
        *('{ nodes(ids: ["agt_x"]) { id } }', '{ nodes(ids: ["msg_x"]) { id } }', '{ nodes(ids: ["evt_x"]) { id } }'),
        '{ agent(id: "agt_admin") { id } }',
        '{ room(by: {id: "room_x"}) { id } }',
        '{ visitor(by: {id: "vis_x"}) { id } }',
    ):
        assert await codes(shared_url, query, {"authorization": f"Bearer {token}"}) == ["FORBIDDEN"]


async def test_access_control_of_single_objects(services: Services, url: str) -> None:
    """A caller that can read some rooms cannot read another by guessing its id."""
    world = World(services)
    await world.visitor()
    anna, bert = await world.agent("anna"), await world.agent("bert")
    room = await world.assigned(bert)
    await users.update_user(world.context, user_id=anna.id, password="long enough")
    login = 'mutation { login(input: { username: "anna", password: "long enough" }) { token } }'
    token = (await ask(url, login, {}))["data"]["login"]["token"]
    as_anna = {"authorization": f"Bearer {token}"}

    found = await ask(
        url, "query($id: ID!) { room(by: { id: $id }) { subject } }", as_anna, id=ids.ROOM.format(room.id)
    )
    close = "mutation($id: ID!) { closeRoom(input: { roomId: $id }) { room { id } } }"

    assert found == {"data": {"room": None}}
    assert await codes(url, close, as_anna, id=ids.ROOM.format(room.id)) == ["NOT_FOUND"]


async def test_mutation_access(shared_url: str) -> None:
    create = 'mutation { createApp(input: {name: "reader", scopes: ["users:read", "rooms:read"]}) { token } }'
    token = (await execute(shared_url, create))["createApp"]["token"]
    change = 'mutation { createRole(input: {name: "from-a-reader"}) { role { id } } }'

    assert await codes(shared_url, change, {"authorization": f"Bearer {token}"}) == ["FORBIDDEN"]
    assert "from-a-reader" not in json.dumps(await ask(shared_url, "{ roles { name } }"))


# ---------------------------------------------------------------- Batching Attacks


async def test_batching_attacks_lists_of_operations_are_refused(shared_url: str) -> None:
    async with httpx.AsyncClient(headers=ADMIN) as client:
        answer = await client.post(shared_url, json=[{"query": "{ __typename }"}] * 2)

    assert answer.status_code == 400


async def test_batching_attacks_by_aliases_are_bounded(shared_url: str) -> None:
    many = "{ " + " ".join(f"a{number}: viewer {{ id }}" for number in range(51)) + " }"

    assert await codes(shared_url, many) == ["QUERY_TOO_COMPLEX"]


async def test_batching_attacks_on_passwords_are_throttled_within_one_request(services: Services, url: str) -> None:
    services.login_throttle = LoginThrottle(3)
    create = 'mutation { createUser(input: {username: "victim", password: "the right one"}) { user { id } } }'
    await execute(url, create)
    guesses = ["guess one", "guess two", "guess three", "guess four", "the right one"]
    logins = [
        f'g{number}: login(input: {{username: "victim", password: "{guess}"}}) {{ token }}'
        for number, guess in enumerate(guesses)
    ]

    found = await codes(url, f"mutation {{ {' '.join(logins)} }}", {})

    assert found == ["UNAUTHENTICATED"] * 3 + ["RATE_LIMITED"] * 2


# ---------------------------------------------------------------- Secure Configurations


async def test_secure_configurations_introspection_can_be_off(closed_url: str) -> None:
    assert set(await codes(closed_url, "{ __schema { queryType { name } } }")) == {"GRAPHQL_VALIDATION_FAILED"}
    assert await codes(closed_url, "{ __typename }") == []


async def test_secure_configurations_field_suggestions_go_with_introspection(closed_url: str) -> None:
    (error,) = (await ask(closed_url, "{ usrs { nodes { id } } }"))["errors"]

    assert error["message"] == "Cannot query field 'usrs' on type 'Query'."


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query ($w: UserFilter) { users(where: $w) { nodes { id } } }", {"w": {"usernam": {}}}),
        ("query ($w: UserFilter) { users(where: $w) { nodes { id } } }", {"w": {"type": "USR"}}),
        ("query ($t: [EventType!]) { events(types: $t) { nodes { id } } }", {"t": ["ROOM_STARTD"]}),
    ],
)
async def test_secure_configurations_suggestions_about_variables_go_with_introspection(
    closed_url: str, shared_url: str, query: str, variables: dict[str, Any]
) -> None:
    (closed,) = (await ask(closed_url, query, **variables))["errors"]
    (error,) = (await ask(shared_url, query, **variables))["errors"]

    assert "Did you mean" not in closed["message"]
    assert "Did you mean" in error["message"]


async def test_secure_configurations_graphiql_goes_with_introspection(closed_url: str, shared_url: str) -> None:
    async with httpx.AsyncClient(headers={"accept": "text/html"}) as client:
        closed, shown = await client.get(closed_url), await client.get(shared_url)

    assert (closed.status_code, closed.headers["content-type"]) == (400, "application/json")
    assert (shown.status_code, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")


async def test_secure_configurations_errors_contain_no_internals(
    shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr("resolvers.auth.access.require", broken)

    (error,) = (await ask(shared_url, "{ roles { id } }"))["errors"]

    assert set(error["extensions"]) == {"code", "errorId"}
    assert error["extensions"]["code"] == "INTERNAL"
    assert "secret" not in json.dumps(error)
