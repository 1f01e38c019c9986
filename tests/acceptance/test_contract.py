"""The contract of requests, mutations, users, agents and custom fields, tested against a real server.

Other files in this folder test rooms, filters, events and tokens.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, build_client_schema, build_schema, get_introspection_query

from tests.acceptance.clients import ROOM, Client, new

CONTRACT = Path(__file__).parents[1] / "schema" / "contract.graphql"


# ---------------------------------------------------------------- requests


def test_the_server_has_every_type_field_and_argument_of_the_contract(admin: Client) -> None:
    contract = build_schema(CONTRACT.read_text())
    served = build_client_schema(admin.ask(get_introspection_query(input_value_deprecation=True)))  # type: ignore[arg-type]

    def declared(schema: Any) -> set[tuple[object, ...]]:
        found: set[tuple[object, ...]] = set()
        for name, kind in contract.type_map.items():
            mine = schema.type_map[name]
            found |= {(name, value) for value in getattr(mine, "values", {})}
            for field, definition in getattr(mine, "fields", {}).items():
                default = definition.default_value if isinstance(kind, GraphQLInputObjectType) else None
                found.add((name, field, str(definition.type), str(default)))
                for argument, given in getattr(definition, "args", {}).items():
                    found.add((name, field, argument, str(given.type), str(given.default_value)))
        return found

    assert declared(contract) - declared(served) == set()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"query": "{ viewer { id }"}', "GRAPHQL_PARSE_FAILED"),
        ('{"query": "{ nope }"}', "GRAPHQL_VALIDATION_FAILED"),
        ('{"query": "query A { viewer { id } }", "operationName": "B"}', "GRAPHQL_VALIDATION_FAILED"),
        ("{", "INVALID_INPUT"),
        ("null", "INVALID_INPUT"),
        ("[]", "INVALID_INPUT"),
        ('{"query": 5}', "INVALID_INPUT"),
        ('{"query": "{ viewer { id } }", "variables": []}', "INVALID_INPUT"),
    ],
)
def test_invalid_request_has_a_code(admin: Client, body: str, code: str) -> None:
    response = admin.http.post(admin.url, content=body, headers={**admin.headers, "content-type": "application/json"})

    assert [error["extensions"]["code"] for error in response.json()["errors"]] == [code]


def test_get_is_for_queries_only(admin: Client) -> None:
    mutation = f'mutation {{ createRole(input: {{name: "{new()}"}}) {{ role {{ id }} }} }}'

    viewer = admin.http.get(admin.url, params={"query": "{ viewer { id } }"}, headers=admin.headers)
    with admin.nothing_happens():
        refused = admin.http.get(admin.url, params={"query": mutation}, headers=admin.headers)

    assert viewer.json() == {"data": {"viewer": {"id": "app_admin"}}}
    assert (refused.status_code, "data" in refused.json()) == (405, False)


# ---------------------------------------------------------------- clientMutationId


def test_repeated_mutation_returns_the_first_result_and_changes_nothing(admin: Client) -> None:
    department, agent, visitor, again = admin.department(), admin.agent(), admin.visitor(), new()
    start = {"visitorToken": visitor, "departmentId": department, "clientMutationId": again}
    first = admin.change("startRoom", f"clientMutationId {ROOM}", **start)
    admin.change("assignAgent", roomId=first["room"]["id"], agentId=agent)

    with admin.nothing_happens():
        second = admin.change("startRoom", f"clientMutationId {ROOM}", **start)

    assert second == first
    assert first["clientMutationId"] == again


def test_used_mutation_id_is_refused_for_another_mutation(admin: Client) -> None:
    used = new()
    admin.change("createRole", name=new(), clientMutationId=used)

    with admin.nothing_happens():
        other_arguments = admin.refusal("createRole", name=new(), clientMutationId=used)
        other_operation = admin.refusal("saveVisitor", token=new(), clientMutationId=used)

    assert other_arguments == other_operation == {"code": "IDEMPOTENCY_MISMATCH"}


def test_refusals_are_not_stored_and_ids_are_per_caller(admin: Client) -> None:
    used, role = new(), new("role")
    given = {"username": new("u"), "roles": [role], "clientMutationId": used}
    assert admin.refusal("createUser", **given) == {"code": "UNKNOWN_ROLE", "key": role}
    admin.change("createRole", name=role)

    created = admin.change("createUser", "user { id }", **given)
    other = admin.app("admin").change("createUser", "user { id }", **{**given, "username": new("u")})

    assert created["user"]["id"] != other["user"]["id"]


def test_ten_concurrent_copies_of_a_mutation_execute_once(admin: Client) -> None:
    head, given = admin.head(), {"username": new("u"), "clientMutationId": new()}

    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: admin.change("createUser", "user { id }", **given), range(10)))

    assert answers == [answers[0]] * 10
    assert [event["type"] for event in admin.since(head)] == ["USER_CREATED"]


def test_mutation_that_returns_a_secret_only_echoes_the_id(admin: Client) -> None:
    given = {"name": new("app"), "scopes": ["rooms:read"], "clientMutationId": new()}

    one, two = (admin.change("createApp", "token clientMutationId", **given) for _ in range(2))

    assert one["clientMutationId"] == two["clientMutationId"] == given["clientMutationId"]
    assert one["token"] != two["token"]


# ---------------------------------------------------------------- users, roles, agents


def test_null_clears_and_absent_keeps(admin: Client) -> None:
    key = admin.field("USER", "TEXT")
    given = {"name": "Ada", "emails": ["a@x.org"], "customFields": [{"key": key, "value": "v"}]}
    user = admin.user(**given)
    selection = "user { name emails customFields { key value } }"

    kept = admin.change("updateUser", selection, userId=user, emails=None)["user"]
    cleared = admin.change("updateUser", selection, userId=user, name=None, customFields=[{"key": key, "value": None}])

    assert kept == {"name": "Ada", "emails": [], "customFields": [{"key": key, "value": "v"}]}
    assert cleared["user"] == {"name": None, "emails": [], "customFields": []}


def test_user_is_found_by_its_unique_values(admin: Client) -> None:
    key, plain = admin.field("USER", "TEXT", unique=True), admin.field("USER", "TEXT")
    username, email, shared = new("Ada"), f"{new()}@x.org", f"{new()}@x.org"
    user = admin.user(username=username, emails=[email, shared], customFields=[{"key": key, "value": "S-1"}])
    admin.user(emails=[shared.upper()])
    find = "query ($by: UserBy!) { user(by: $by) { id } }"

    for by in ({"id": user}, {"username": username.upper()}, {"email": email}):
        assert admin.ask(find, by=by) == {"user": {"id": user}}
    assert admin.ask(find, by={"customField": {"key": key, "value": "S-1"}}) == {"user": {"id": user}}
    assert admin.ask(find, by={"customField": {"key": key, "value": "S-2"}}) == {"user": None}
    assert admin.query_refusal(find, by={"email": shared}) == {"code": "INVALID_INPUT", "key": "by.email"}
    assert admin.query_refusal(find, by={"customField": {"key": plain, "value": "x"}}) == {
        "code": "INVALID_INPUT",
        "key": plain,
    }


def test_assigning_current_roles_is_no_error_and_no_event(admin: Client) -> None:
    user = admin.user(roles=["bot"])

    with admin.nothing_happens():
        held = admin.change("addRoles", "user { roles { name builtIn } }", userId=user, roles=["bot"])

    assert held == {"user": {"roles": [{"name": "bot", "builtIn": True}]}}


def test_agent_is_routable_if_present_or_a_bot(admin: Client) -> None:
    routable = "agent { id status maxRooms openRoomCount routable user { roles { name } } }"
    user = admin.user()

    added = admin.change("addAgent", f"added {routable}", userId=user)
    again = admin.change("addAgent", f"added {routable}", userId=user, maxRooms=9)
    admin.change("addRoles", userId=user, roles=["bot"])
    bot = admin.ask("query ($id: ID!) { agent(id: $id) { routable } }", id=user)

    agent = {
        "id": user.replace("usr_", "agt_"),
        "status": "AVAILABLE",
        "maxRooms": None,
        "openRoomCount": 0,
        "routable": False,
    }
    assert added == {"added": True, "agent": {**agent, "user": {"roles": [{"name": "livechat-agent"}]}}}
    assert again == {"added": False, "agent": added["agent"]}
    assert bot == {"agent": {"routable": True}}


def test_twenty_concurrent_ensures_create_one_agent(admin: Client) -> None:
    key, username = admin.field("USER", "TEXT", unique=True), new("u")
    given = {"by": {"key": key, "value": "S-1"}, "username": username, "roles": ["bot"], "type": "BOT"}

    with ThreadPoolExecutor(20) as threads:
        made = list(threads.map(lambda _: admin.change("ensureAgent", "created agent { id }", **given), range(20)))
    again = admin.change(
        "ensureAgent", "created agent { maxRooms user { id name type } }", **{**given, "type": "BOT", "name": "Bot"}
    )

    assert len({one["agent"]["id"] for one in made}) == 1
    assert sorted(one["created"] for one in made) == [False] * 19 + [True]
    holder = again["agent"]["user"].pop("id")
    assert again == {"created": False, "agent": {"maxRooms": None, "user": {"name": "Bot", "type": "BOT"}}}
    with admin.nothing_happens():
        taken = {**given, "by": {"key": key, "value": "S-2"}}
        assert admin.refusal("ensureAgent", **taken) == {"code": "USERNAME_TAKEN", "holder": {"id": holder}}


def test_pages_are_complete_in_every_order_and_refuse_invalid_arguments(admin: Client) -> None:
    prefix = new("page")
    created = [f"{prefix}{letter}" for letter in "ZaYbX"]
    for username in created:
        admin.user(username=username)
    document = """query ($order: UserOrder, $after: Cursor, $first: Int, $prefix: String) {
      users(where: {username: {startsWith: $prefix}}, orderBy: $order, first: $first, after: $after) {
        totalCount nodes { username } edges { cursor } pageInfo { hasNextPage hasPreviousPage endCursor } } }"""
    orders: dict[tuple[str, str], list[str]] = {
        ("CREATED_AT", "ASC"): created,
        ("CREATED_AT", "DESC"): created[::-1],
        ("USERNAME", "ASC"): sorted(created, key=str.casefold),
        ("USERNAME", "DESC"): sorted(created, key=str.casefold, reverse=True),
    }

    after = None
    for (field, direction), expected in orders.items():
        asked: dict[str, Any] = {"order": {"field": field, "direction": direction}, "prefix": prefix, "first": 2}
        pages, after = [], None
        for number in (0, 1, 2):
            page = admin.ask(document, **asked, after=after)["users"]
            pages.append([node["username"] for node in page["nodes"]])
            after = page["pageInfo"].pop("endCursor")
            assert (page["totalCount"], after) == (5, page["edges"][-1]["cursor"])
            assert page["pageInfo"] == {"hasNextPage": number < 2, "hasPreviousPage": number > 0}
        assert pages == [expected[:2], expected[2:4], expected[4:]]

    for first in (0, -1, 201):
        assert admin.query_refusal(document, first=first, prefix=prefix) == {"code": "INVALID_INPUT", "key": "first"}
    for cursor in ("", "nonsense", admin.head(), after):
        refusal = admin.query_refusal(document, after=cursor, prefix=prefix, first=2)
        assert refusal["code"] == "INVALID_CURSOR"


# ---------------------------------------------------------------- custom fields


@pytest.mark.parametrize(
    ("type", "definition", "given", "held"),
    [
        ("TEXT", {}, "$where\n", "$where\n"),
        ("NUMBER", {}, 2**53 - 1, 2**53 - 1),
        ("NUMBER", {}, -1.5, -1.5),
        ("BOOLEAN", {}, False, False),
        ("DATETIME", {}, "2024-01-01T02:00:00+02:00", "2024-01-01T00:00:00Z"),
        ("DATETIME", {}, "2024-02-29T12:00:00.123Z", "2024-02-29T12:00:00.123Z"),
        ("SELECT", {"options": ["a", "b"]}, "b", "b"),
        ("MULTI_SELECT", {"options": ["a", "b"]}, ["b", "a"], ["a", "b"]),
    ],
)
def test_values_are_returned_by_queries_and_in_events(
    admin: Client, type: str, definition: dict[str, Any], given: object, held: object
) -> None:
    key, head = admin.field("ROOM", type, **definition), admin.head()

    room = admin.start(admin.department(), customFields=[{"key": key, "value": given}])

    fields = [{"key": key, "value": held}]
    assert room["customFields"] == fields
    assert admin.room(room["id"])["customFields"] == fields
    started = admin.since(head, types=["ROOM_STARTED"])
    assert [event["room"]["customFields"] for event in started] == [fields]


@pytest.mark.parametrize(
    ("type", "definition", "value"),
    [
        ("TEXT", {}, 1),
        ("TEXT", {"pattern": "[A-Z]{2}"}, "ABC"),
        ("NUMBER", {}, "1"),
        ("NUMBER", {}, 2**53),
        ("NUMBER", {}, True),
        ("BOOLEAN", {}, "true"),
        ("DATETIME", {}, "2024-01-01T00:00:00"),
        ("SELECT", {"options": ["a"]}, "b"),
        ("MULTI_SELECT", {"options": ["a"]}, "a"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(
    admin: Client, type: str, definition: dict[str, Any], value: object
) -> None:
    key = admin.field("USER", type, **definition)

    with admin.nothing_happens():
        refusal = admin.refusal("createUser", username=new(), customFields=[{"key": key, "value": value}])

    assert (refusal["code"], refusal["key"]) == ("INVALID_FIELD_VALUE", key)
    assert refusal["expected"].startswith(type)


def test_required_field_is_set_at_creation_and_cannot_be_cleared(admin: Client) -> None:
    unique, key = admin.field("USER", "TEXT", unique=True), new("required")
    before = admin.user()
    defined = admin.change("defineCustomField", "definition { id }", target="USER", key=key, type="TEXT", required=True)
    held = admin.user(customFields=[{"key": key, "value": "v"}])
    required = {"code": "FIELD_REQUIRED", "key": key}

    with admin.nothing_happens():
        by = {"key": unique, "value": "S-1"}
        assert admin.refusal("createUser", username=new()) == required
        assert admin.refusal("ensureAgent", username=new(), by=by) == required
        assert admin.refusal("updateUser", userId=held, customFields=[{"key": key, "value": None}]) == required
    admin.change("updateUser", userId=before, name="Was there before")
    admin.change("removeCustomField", id=defined["definition"]["id"])
    admin.user()


def test_of_ten_concurrent_writers_of_a_unique_value_one_succeeds(admin: Client) -> None:
    key = admin.field("USER", "NUMBER", unique=True)

    def create(_: int) -> str:
        answer = admin.answer(
            "mutation ($input: CreateUserInput!) { createUser(input: $input) { user { id } } }",
            {"input": {"username": new("u"), "customFields": [{"key": key, "value": 7}]}},
        )
        return (
            str(answer["errors"][0]["extensions"])
            if answer.get("errors")
            else answer["data"]["createUser"]["user"]["id"]
        )

    with ThreadPoolExecutor(10) as threads:
        outcomes = sorted(threads.map(create, range(10)), key=len)

    refused = {"code": "DUPLICATE_VALUE", "key": key, "holder": {"id": outcomes[0]}}
    assert outcomes == [outcomes[0], *[str(refused)] * 9]


def test_constraint_that_data_violates_is_refused_with_the_violations(admin: Client) -> None:
    key = new("team")
    field = admin.change("defineCustomField", "definition { id }", target="USER", key=key, type="TEXT")
    field_id = field["definition"]["id"]
    holders = [admin.user(customFields=[{"key": key, "value": "same"}]) for _ in range(2)]

    with admin.nothing_happens():
        unique = admin.refusal("updateCustomField", id=field_id, unique=True)
        pattern = admin.refusal("updateCustomField", id=field_id, pattern="[0-9]+")

    assert unique == {"code": "DUPLICATE_VALUE", "key": key, "offenders": holders}
    expected = "TEXT that matches [0-9]+"
    assert pattern == {"code": "INVALID_FIELD_VALUE", "key": key, "expected": expected, "offenders": holders}


def test_removed_and_redefined_field_has_no_values(admin: Client) -> None:
    key = new("again")
    given = {"target": "USER", "key": key}
    first = admin.change("defineCustomField", "definition { id }", **given, type="NUMBER")["definition"]["id"]
    user = admin.user(customFields=[{"key": key, "value": 42}])
    held = """query ($by: UserBy!, $where: UserFilter) {
      user(by: $by) { customFields { key } } users(where: $where) { nodes { id } } }"""
    where = {"customFields": [{"key": key, "exists": True}]}

    admin.change("removeCustomField", id=first)
    assert admin.query_refusal(held, by={"id": user}, where=where) == {"code": "UNKNOWN_FIELD", "key": key}
    admin.change("defineCustomField", **given, type="TEXT")

    assert admin.ask(held, by={"id": user}, where=where) == {"user": {"customFields": []}, "users": {"nodes": []}}
