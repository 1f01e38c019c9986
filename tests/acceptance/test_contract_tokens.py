"""The contract of tokens: the operations that each scope permits, and the refusal of all others."""

import time
from typing import Any

import pytest

from tests.acceptance.clients import Client, new

SCOPES = [
    *("users:read", "users:write", "roles:write", "agents:write", "departments:write", "fields:write"),
    *("visitors:read", "visitors:write", "rooms:read", "rooms:write", "rooms:assign", "messages:read"),
    *("messages:write", "events:read", "apps:write"),
]
QUERIES = {
    "users:read": [
        *(
            'user(by: {id: "usr_x"}) { id }',
            "users { totalCount }",
            'agent(id: "agt_x") { id }',
            "agents { totalCount }",
        ),
        *("roles { id }", "departments { id }"),
    ],
    "visitors:read": ['visitor(by: {id: "vis_x"}) { id }', "visitors { totalCount }"],
    "rooms:read": ['room(by: {id: "room_x"}) { id }', "rooms { totalCount }"],
    "events:read": ["events { totalCount }", "eventCursor", "consumers { name }"],
    "apps:write": ["apps { id }"],
}
#: Each mutation by the scope that it needs, with the smallest valid input.
CHANGES: dict[str, dict[str, dict[str, Any]]] = {
    "users:write": {
        "createUser": {"username": "x"},
        "updateUser": {"userId": "usr_x"},
        "setUserActive": {"userId": "usr_x", "active": True},
        "setPresence": {"userId": "usr_x", "presence": "AWAY"},
    },
    "roles:write": {
        "createRole": {"name": "x"},
        "addRoles": {"userId": "usr_x", "roles": []},
        "removeRoles": {"userId": "usr_x", "roles": []},
    },
    "agents:write": {
        "addAgent": {"userId": "usr_x"},
        "removeAgent": {"userId": "usr_x"},
        "setAgentStatus": {"agentId": "agt_x", "status": "AVAILABLE"},
        "updateAgent": {"agentId": "agt_x"},
        "ensureAgent": {"by": {"key": "x", "value": "x"}, "username": "x"},
    },
    "departments:write": {
        "createDepartment": {"name": "x"},
        "updateDepartment": {"departmentId": "dep_x"},
        "setDepartmentAgents": {"departmentId": "dep_x"},
    },
    "fields:write": {
        "defineCustomField": {"target": "USER", "key": "x", "type": "TEXT"},
        "updateCustomField": {"id": "fld_x"},
        "removeCustomField": {"id": "fld_x"},
    },
    "visitors:write": {"saveVisitor": {"token": "x"}, "createVisitorSession": {"visitorToken": "x"}},
    "rooms:write": {
        "startRoom": {"visitorToken": "x"},
        "ensureRoom": {"by": {"key": "x", "value": "x"}, "visitor": {"token": "x"}},
        "updateRoom": {"roomId": "room_x"},
        "closeRoom": {"roomId": "room_x"},
        "holdRoom": {"roomId": "room_x"},
        "resumeRoom": {"roomId": "room_x"},
    },
    "rooms:assign": {
        "assignAgent": {"roomId": "room_x", "agentId": "agt_x"},
        "unassignAgent": {"roomId": "room_x"},
        "transferRoom": {"roomId": "room_x", "to": {"agentId": "agt_x"}},
    },
    "messages:write": {"sendMessage": {"roomId": "room_x", "text": "x"}},
    "events:read": {"ackEvents": {"consumer": "x", "cursor": "x"}, "removeConsumer": {"consumer": "x"}},
    "apps:write": {
        "createApp": {"name": "x", "scopes": []},
        "rotateAppToken": {"appId": "app_x"},
        "revokeApp": {"appId": "app_x"},
    },
}


@pytest.mark.parametrize("scope", SCOPES)
def test_token_without_one_scope_loses_only_its_operations(admin: Client, scope: str) -> None:
    without, nobody = admin.app(*(one for one in SCOPES if one != scope)), Client(admin.http, admin.url, None)
    lacking = {"code": "FORBIDDEN", "scope": scope}

    with admin.nothing_happens():
        for query in QUERIES.get(scope, []):
            assert without.query_refusal(f"{{ {query} }}") == lacking
            assert nobody.query_refusal(f"{{ {query} }}") == {"code": "UNAUTHENTICATED"}
        for name, given in CHANGES.get(scope, {}).items():
            assert without.refusal(name, **given) == lacking
            assert nobody.refusal(name, **given) == {"code": "UNAUTHENTICATED"}
    for other, queries in QUERIES.items():
        for query in queries if other != scope else []:
            without.ask(f"{{ {query} }}")


def test_roles_and_agents_require_the_scopes_of_all_changed_objects(admin: Client) -> None:
    key, given = admin.field("USER", "TEXT", unique=True), {"username": new("u"), "roles": ["bot"]}
    ensured = {**given, "by": {"key": key, "value": "S-1"}}
    without_roles, without_users = admin.app("users:write", "agents:write"), admin.app("agents:write")

    with admin.nothing_happens():
        assert without_roles.refusal("createUser", **given) == {"code": "FORBIDDEN", "scope": "roles:write"}
        assert without_roles.refusal("ensureAgent", **ensured) == {"code": "FORBIDDEN", "scope": "roles:write"}
        assert without_users.refusal("ensureAgent", **ensured) == {"code": "FORBIDDEN", "scope": "users:write"}


def test_payload_field_without_its_scope_is_null_and_the_mutation_takes_effect(admin: Client) -> None:
    app, visitor = admin.app("rooms:write", "rooms:read"), admin.visitor()
    lacking = {"code": "FORBIDDEN", "scope": "messages:read"}

    started = app.answer(
        """mutation ($input: StartRoomInput!) { startRoom(input: $input) { room { id messages { totalCount } } } }""",
        {"input": {"visitorToken": visitor}},
    )
    room = started["data"]["startRoom"]["room"]
    read = app.answer("query ($id: ID!) { room(by: {id: $id}) { id messages { totalCount } } }", {"id": room["id"]})

    assert room["messages"] is None
    assert [(error["path"], error["extensions"]) for error in started["errors"]] == [
        (["startRoom", "room", "messages"], lacking)
    ]
    assert read["data"] == {"room": {"id": room["id"], "messages": None}}
    assert [(error["path"], error["extensions"]) for error in read["errors"]] == [(["room", "messages"], lacking)]
    assert admin.room(room["id"])["visitor"]["token"] == visitor


def test_mutation_with_an_invalid_argument_in_its_selection_is_not_executed(admin: Client) -> None:
    visitor = admin.visitor()

    with admin.nothing_happens():
        refused = admin.refusal("startRoom", "room { messages(first: 201) { totalCount } }", visitorToken=visitor)

    assert refused == {"code": "INVALID_INPUT", "key": "first"}


def test_events_are_sent_only_to_tokens_that_can_read_their_subject(admin: Client) -> None:
    head = admin.head()
    admin.user()
    room = admin.start(admin.department())["id"]
    admin.change("sendMessage", roomId=room, text="Hello")
    admin.field("USER", "TEXT")
    users, rooms, messages = {"USER_CREATED", "DEPARTMENT_SAVED"}, {"ROOM_STARTED", "ROOM_QUEUED"}, {"MESSAGE_SENT"}

    for scopes, subjects in (
        ((), set[str]()),
        (("users:read",), users),
        (("rooms:read",), rooms),
        (("visitors:read",), {"VISITOR_SAVED"}),
        (("rooms:read", "messages:read", "users:read"), users | rooms | messages),
    ):
        app = admin.app("events:read", *scopes)
        listed = [event["type"] for event in app.since(head, "type")]
        with app.socket() as socket:
            socket.follow("after", "type", after=head)
            received = [socket.next()["type"] for _ in listed]
        assert set(listed) == subjects | {"CUSTOM_FIELD_DEFINED"}
        assert received == listed


# ---------------------------------------------------------------- apps


def test_app_delegates_only_scopes_that_it_has(admin: Client) -> None:
    app = admin.app("apps:write", "users:read")

    with admin.nothing_happens():
        for scopes in (["rooms:read"], ["users:read", "admin"]):
            refusal = app.refusal("createApp", name=new(), scopes=scopes)
            assert refusal == {"code": "FORBIDDEN", "scope": scopes[-1]}
        assert admin.refusal("createApp", name=new(), scopes=["x:y"]) == {"code": "INVALID_INPUT", "key": "scopes"}
    app.change("createApp", name=new(), scopes=["users:read"])


def test_a_revoked_apps_sockets_close_at_once(admin: Client) -> None:
    created = admin.change("createApp", "token app { id active }", name=new(), scopes=["events:read"])
    app = Client(admin.http, admin.url, created["token"])

    with app.socket() as subscribed, app.socket() as idle:
        subscribed.follow("", "type")
        began = time.monotonic()
        revoked = admin.change("revokeApp", "app { active }", appId=created["app"]["id"])

        assert revoked == {"app": {"active": False}}
        assert (subscribed.close_code(), idle.close_code()) == (4403, 4403)
        assert time.monotonic() - began < 20  # the server looks at tokens again after 30 s anyway
    assert app.query_refusal("{ viewer { id } }") == {"code": "UNAUTHENTICATED"}


def test_a_rotated_token_ends_after_the_overlap(admin: Client) -> None:
    created = admin.change("createApp", "token app { id }", name=new(), scopes=["events:read"])
    old = Client(admin.http, admin.url, created["token"])

    with old.socket() as socket:
        socket.follow("", "type")
        app_id = created["app"]["id"]
        overlapping = admin.change("rotateAppToken", "token", appId=app_id, overlapSeconds=1)["token"]
        old.ask("{ viewer { id } }")
        Client(admin.http, admin.url, overlapping).ask("{ viewer { id } }")

        assert socket.close_code() == 4403
    assert old.query_refusal("{ viewer { id } }") == {"code": "UNAUTHENTICATED"}
    latest = admin.change("rotateAppToken", "token", appId=app_id)["token"]
    assert Client(admin.http, admin.url, overlapping).query_refusal("{ viewer { id } }") == {"code": "UNAUTHENTICATED"}
    Client(admin.http, admin.url, latest).ask("{ viewer { id } }")


# ---------------------------------------------------------------- users


def test_a_logged_in_agent_takes_a_room_and_an_app_does_not(admin: Client) -> None:
    here = admin.department()
    anna, plain = admin.agent(here), admin.user()
    room, taker = admin.start(here)["id"], admin.logged_in(anna)
    head = admin.head()

    with admin.nothing_happens():
        assert admin.refusal("takeRoom", roomId=room) == {"code": "FORBIDDEN"}
        assert admin.refusal("logout") == {"code": "FORBIDDEN"}
        refusal = admin.refusal("takeRoom", roomId="room_x", ifRevision=1)
        assert refusal == {"code": "FORBIDDEN"}
    taker.change("takeRoom", roomId=room, ifRevision=2)

    (event,) = admin.since(head)
    assert (event["cause"], event["agent"]["agentId"], event["actor"]["type"]) == ("TAKEN", anna, "USER")
    assert event["actor"]["id"] == anna.replace("agt_", "usr_")
    assert admin.logged_in(plain).refusal("takeRoom", roomId=room) == {"code": "NOT_AN_AGENT"}


def test_callers_cannot_change_users_with_more_permissions(admin: Client) -> None:
    boss = admin.user(roles=["admin"])
    manager = admin.logged_in(admin.user(roles=["livechat-manager"]))
    app = admin.app("users:write", "roles:write")

    with admin.nothing_happens():
        for caller in (manager, app):
            assert caller.refusal("updateUser", userId=boss, password="mine from now on")["code"] == "FORBIDDEN"
            assert caller.refusal("setUserActive", userId=boss, active=False)["code"] == "FORBIDDEN"
            assert caller.refusal("removeRoles", userId=boss, roles=["admin"])["code"] == "FORBIDDEN"
        assert app.refusal("createUser", username=new(), roles=["admin"])["code"] == "FORBIDDEN"


def test_sessions_end_with_logout_with_a_new_password_and_with_the_user(admin: Client) -> None:
    user = admin.user()

    for end, given in (
        ("logout", {}),
        ("updateUser", {"userId": user, "password": None}),
        ("setUserActive", {"userId": user, "active": False}),
    ):
        session = admin.logged_in(user)
        assert session.ask("{ viewer { type id } }") == {"viewer": {"type": "USER", "id": user}}
        with session.socket() as socket:
            (session if end == "logout" else admin).change(end, **given)
            assert socket.close_code() == 4403
        assert session.query_refusal("{ viewer { id } }") == {"code": "UNAUTHENTICATED"}
