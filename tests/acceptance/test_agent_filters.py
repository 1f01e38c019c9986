"""agentFilter: rooms for agents with a skill, by the API."""

from typing import Any

import pytest

from tests.acceptance.clients import Client

FILTERED = "room { id status servedBy { id } agentFilter agentFilterUntil }"


def start(admin: Client, department: str, filter: dict[str, Any], **input: Any) -> dict[str, Any]:
    room: dict[str, Any] = admin.change(
        "startRoom", FILTERED, visitorToken=admin.visitor(), departmentId=department, agentFilter=filter, **input
    )["room"]
    return room


def test_a_room_is_given_to_an_agent_with_the_skill(admin: Client) -> None:
    here, key = admin.department("LEAST_LOADED"), admin.field("USER", "MULTI_SELECT", options=["en", "es"])
    anna, bert = admin.agent(here), admin.agent(here)
    for agent, languages in ((anna, ["en"]), (bert, ["en", "es"])):
        admin.change("updateUser", userId=agent, customFields=[{"key": key, "value": languages}])
    spanish = {"customFields": [{"key": key, "contains": "es"}]}

    rooms = [start(admin, here, spanish) for _ in range(2)]

    assert [room["servedBy"] for room in rooms] == [{"id": bert}] * 2
    assert [room["agentFilter"] for room in rooms] == [spanish] * 2


def test_a_filter_is_shown_as_it_was_given(admin: Client) -> None:
    here = admin.department()
    given = {
        "and": [{"presence": ["ONLINE", "BUSY"]}, {"not": {"type": "BOT"}}],
        "or": [],
        "ids": [admin.agent()],
        "departmentId": here,
        "name": {"startsWith": "a", "ignoreCase": True},
        "username": {"in": ["x"]},
        "isAgent": False,
    }

    room = start(admin, here, given)

    assert (room["agentFilter"], room["agentFilterUntil"]) == (given, None)


def test_changes_of_a_filter_are_events(admin: Client) -> None:
    room = start(admin, admin.department(), {"username": {"eq": "x"}})["id"]
    head = admin.head()

    changed = admin.change("updateRoom", FILTERED, roomId=room, agentFilter={"active": True}, agentFilterSeconds=60)
    removed = admin.change("updateRoom", FILTERED, roomId=room, agentFilter=None)["room"]

    until = changed["room"]["agentFilterUntil"]
    assert (changed["room"]["agentFilter"], until is not None) == ({"active": True}, True)
    assert (removed["agentFilter"], removed["agentFilterUntil"]) == (None, None)
    events = admin.since(head, "... on RoomUpdated { changes { field before after } }")
    assert [event["changes"] for event in events] == [
        [
            {"field": "agentFilter", "before": {"username": {"eq": "x"}}, "after": {"active": True}},
            {"field": "agentFilterUntil", "before": None, "after": until},
        ],
        [
            {"field": "agentFilter", "before": {"active": True}, "after": None},
            {"field": "agentFilterUntil", "before": until, "after": None},
        ],
    ]


@pytest.mark.parametrize(
    ("filter", "code", "key"),
    [
        ({"and": [{"ids": ["room_01HZZZZZZZZZZZZZZZZZZZZZZZ"]}]}, "INVALID_INPUT", "agentFilter.and.0.ids"),
        ({"isAgent": None}, "INVALID_INPUT", "agentFilter.isAgent"),
        ({"customFields": [{"key": "no-such-field"}]}, "UNKNOWN_FIELD", "no-such-field"),
    ],
)
def test_a_bad_filter_is_refused(admin: Client, filter: dict[str, Any], code: str, key: str) -> None:
    room, visitor = admin.start(admin.department())["id"], admin.visitor()
    by = {"key": admin.field("ROOM", "TEXT", unique=True), "value": "1"}

    with admin.nothing_happens():
        refusals = [
            admin.refusal("startRoom", visitorToken=visitor, agentFilter=filter),
            admin.refusal("updateRoom", roomId=room, agentFilter=filter),
            admin.refusal("ensureRoom", by=by, visitor={"token": visitor}, agentFilter=filter),
        ]

    assert [(refusal["code"], refusal["key"]) for refusal in refusals] == [(code, key)] * 3


def test_ensured_rooms_take_a_filter(admin: Client) -> None:
    here, by = admin.department(), {"key": admin.field("ROOM", "TEXT", unique=True), "value": "1"}
    given = {"by": by, "visitor": {"token": admin.visitor()}, "departmentId": here, "clientMutationId": "ensured"}
    both, either = ({word: [{"active": True}, {"isAgent": True}]} for word in ("and", "or"))

    first = admin.change("ensureRoom", FILTERED, **given, agentFilter=both, agentFilterSeconds=60)

    assert (first["room"]["agentFilter"], first["room"]["agentFilterUntil"] is not None) == (both, True)
    assert admin.change("ensureRoom", FILTERED, **given, agentFilter=both, agentFilterSeconds=60) == first
    assert admin.refusal("ensureRoom", **given, agentFilter=either)["code"] == "IDEMPOTENCY_MISMATCH"


def test_a_repeated_call_with_another_filter_is_refused(admin: Client) -> None:
    given = {"visitorToken": admin.visitor(), "departmentId": admin.department(), "clientMutationId": "filtered-once"}
    both, either = ({word: [{"active": True}, {"isAgent": True}]} for word in ("and", "or"))

    first = admin.change("startRoom", "room { id }", **given, agentFilter=both)

    assert admin.change("startRoom", "room { id }", **given, agentFilter=both) == first
    assert admin.refusal("startRoom", **given, agentFilter=either)["code"] == "IDEMPOTENCY_MISMATCH"


def test_visitors_neither_give_nor_see_filters(admin: Client) -> None:
    here, visitor = admin.department(), admin.visitor()
    session = admin.change("createVisitorSession", "token", visitorToken=visitor)
    theirs = Client(admin.http, admin.url, session["token"])
    room = start(admin, here, {"active": True})

    with admin.nothing_happens():
        assert theirs.refusal("startRoom", departmentId=here, agentFilter={"active": True})["code"] == "FORBIDDEN"
        assert theirs.refusal("startRoom", departmentId=here, agentFilterSeconds=60)["code"] == "FORBIDDEN"
    own = theirs.change("startRoom", "room { id }", departmentId=here)["room"]["id"]
    admin.change("updateRoom", roomId=own, agentFilter={"active": True})

    assert room["agentFilter"] == {"active": True}
    document = "query($id: ID!) { room(by: {id: $id}) { agentFilter agentFilterUntil } }"
    assert theirs.ask(document, id=own) == {"room": {"agentFilter": None, "agentFilterUntil": None}}
