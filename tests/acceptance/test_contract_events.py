"""The contract of filters and events in queries, in the log and in subscriptions."""

import json
from typing import Any

import pytest

from tests.acceptance.clients import Client, Data, Socket, new

OPTIONS = {"MULTI_SELECT": ["x", "y", "z"]}
#: The values of the rooms of these tests, one row for each room.
ROWS: list[dict[str, object]] = [
    {"TEXT": "alpha", "NUMBER": 1, "BOOLEAN": True, "DATETIME": "2024-01-01T00:00:00Z", "MULTI_SELECT": ["x", "y"]},
    {"TEXT": "Beta", "NUMBER": 2.5, "BOOLEAN": False, "DATETIME": "2024-06-01T00:00:00Z", "MULTI_SELECT": ["z"]},
    {"TEXT": "\U0001d11eclef", "NUMBER": -3, "DATETIME": "2024-06-01T02:00:00+02:00", "MULTI_SELECT": []},
    {"TEXT": "\ufffda.b*", "NUMBER": 2**53 - 1},
    {},
]
ALL = {0, 1, 2, 3, 4}
Rooms = tuple[str, dict[str, str], list[str]]


@pytest.fixture(scope="module")
def rooms(admin: Client) -> Rooms:
    """A department, the key of a field of each type, and a room for each row."""
    department = admin.department()
    keys = {kind: admin.field("ROOM", kind, options=OPTIONS.get(kind)) for kind in ROWS[0]}
    given = [[{"key": keys[kind], "value": value} for kind, value in row.items()] for row in ROWS]
    return department, keys, [admin.start(department, customFields=fields)["id"] for fields in given]


FOUND: list[tuple[str, dict[str, Any], set[int]]] = [
    ("TEXT", {}, ALL),
    ("TEXT", {"eq": "alpha"}, {0}),
    ("TEXT", {"ne": "alpha"}, ALL - {0}),
    ("TEXT", {"in": ["alpha", "Beta"]}, {0, 1}),
    ("TEXT", {"notIn": ["alpha", "Beta"]}, {2, 3, 4}),
    ("TEXT", {"in": []}, set()),
    ("TEXT", {"notIn": []}, ALL),
    ("TEXT", {"gt": "alpha"}, {2, 3}),
    ("TEXT", {"lt": "\U0001d11e"}, {0, 1, 3}),
    ("TEXT", {"gte": "alpha", "lt": "b"}, {0}),
    ("TEXT", {"contains": "ALPH"}, set()),
    ("TEXT", {"contains": ".b*"}, {3}),
    ("TEXT", {"startsWith": "\U0001d11e"}, {2}),
    ("TEXT", {"eq": ".*"}, set()),
    ("TEXT", {"exists": False}, {4}),
    ("NUMBER", {"eq": 1.0}, {0}),
    ("NUMBER", {"eq": 2**53 - 1}, {3}),
    ("NUMBER", {"gt": -3, "lte": 2.5}, {0, 1}),
    ("NUMBER", {"gt": 3, "lt": 1}, set()),
    ("NUMBER", {"notIn": [1, -3]}, {1, 3, 4}),
    ("NUMBER", {"exists": True, "ne": 1}, {1, 2, 3}),
    ("BOOLEAN", {"ne": True}, ALL - {0}),
    ("DATETIME", {"eq": "2024-06-01T00:00:00Z"}, {1, 2}),
    ("DATETIME", {"lt": "2024-01-01T01:00:00+01:00"}, set()),
    ("MULTI_SELECT", {"eq": ["y", "x"]}, {0}),
    ("MULTI_SELECT", {"ne": ["y", "x"]}, ALL - {0}),
    ("MULTI_SELECT", {"in": [["y", "x"], []]}, {0, 2}),
    ("MULTI_SELECT", {"contains": "y"}, {0}),
    ("MULTI_SELECT", {"exists": True}, {0, 1, 2}),
]


def find(admin: Client, rooms: Rooms, where: dict[str, Any]) -> set[int]:
    """The rows that a filter finds among the rooms, and among the events that started them."""
    department, _, ids = rooms
    both = {"and": [{"departmentId": department}, where]}
    found = admin.ask("query ($where: RoomFilter) { rooms(where: $where) { totalCount nodes { id } } }", where=both)
    started = admin.since(None, "... on RoomEvent { room { roomId } }", types=["ROOM_STARTED"], where=both)

    rows = {ids.index(node["id"]) for node in found["rooms"]["nodes"]}
    assert found["rooms"]["totalCount"] == len(rows)
    assert {ids.index(event["room"]["roomId"]) for event in started} == rows
    return rows


@pytest.mark.parametrize(("type", "operators", "rows"), FOUND, ids=[f"{kind}-{asked}" for kind, asked, _ in FOUND])
def test_queries_and_events_find_the_same(
    admin: Client, rooms: Rooms, type: str, operators: dict[str, Any], rows: set[int]
) -> None:
    assert find(admin, rooms, {"customFields": [{"key": rooms[1][type], **operators}]}) == rows


def test_filter_groups_match_all_some_or_none(admin: Client, rooms: Rooms) -> None:
    one = {"customFields": [{"key": rooms[1]["NUMBER"], "gt": 0}]}
    two = {"customFields": [{"key": rooms[1]["BOOLEAN"], "eq": True}]}

    assert find(admin, rooms, {}) == find(admin, rooms, {"and": []}) == ALL
    assert find(admin, rooms, {"or": []}) == find(admin, rooms, {"not": {}}) == set()
    assert find(admin, rooms, {"and": [one, two]}) == {0}
    assert find(admin, rooms, {"or": [two, {"ids": [rooms[2][4]]}]}) == {0, 4}
    assert find(admin, rooms, {"not": one}) == {2, 4}


@pytest.mark.parametrize(
    ("type", "operators"),
    [
        ("TEXT", {"eq": 1}),
        ("TEXT", {"eq": None}),
        ("NUMBER", {"eq": "1"}),
        ("NUMBER", {"contains": "1"}),
        ("NUMBER", {"in": [1, "2"]}),
        ("BOOLEAN", {"gt": False}),
        ("DATETIME", {"lt": "yesterday"}),
        ("MULTI_SELECT", {"eq": "x"}),
        ("MULTI_SELECT", {"contains": "w"}),
    ],
)
def test_contradictory_filter_is_an_error(admin: Client, rooms: Rooms, type: str, operators: dict[str, Any]) -> None:
    key = rooms[1][type]

    for document in ("rooms(where: $where)", "events(where: $where)"):
        where = {"customFields": [{"key": key, **operators}]}
        refusal = admin.query_refusal(f"query ($where: RoomFilter) {{ {document} {{ totalCount }} }}", where=where)

        assert (refusal["code"], refusal["key"], bool(refusal["expected"])) == ("INVALID_FIELD_VALUE", key, True)


def test_an_unknown_custom_field_is_refused_in_every_part_of_a_filter(admin: Client) -> None:
    document = "query ($where: RoomFilter) { rooms(where: $where) { totalCount } }"
    unknown: dict[str, Any] = {"key": "nobody-defined-it"}

    filters: list[dict[str, Any]] = [{}, {"and": [{"or": []}]}, {"not": {"not": {}}}]
    for where in filters:
        for operator in ({}, {"eq": 1}, {"exists": False}):
            asked = {**where, "customFields": [{**unknown, **operator}]}
            refusal = admin.query_refusal(document, where=asked)
            assert refusal == {"code": "UNKNOWN_FIELD", **unknown}


def test_an_agents_rooms_are_filtered_too(admin: Client) -> None:
    agent, number = admin.agent(), admin.field("ROOM", "NUMBER")
    here = admin.department()
    rooms = [admin.start(here, customFields=[{"key": number, "value": value}])["id"] for value in (1, 2)]
    for room in rooms:
        admin.change("assignAgent", roomId=room, agentId=agent)
    admin.change("holdRoom", roomId=rooms[1])
    document = """query ($id: ID!, $where: RoomFilter) { agent(id: $id) { openRoomCount
      rooms(where: $where) { totalCount nodes { id } } } }"""
    filters: dict[str, list[str]] = {"{}": rooms, '{"status": ["ON_HOLD"]}': rooms[1:], '{"ids": []}': []}
    filters[json.dumps({"customFields": [{"key": number, "in": [1, 3]}]})] = rooms[:1]

    for where, expected in filters.items():
        found = admin.ask(document, id=agent, where=json.loads(where))["agent"]
        nodes = [{"id": room} for room in expected]
        assert found == {"openRoomCount": 1, "rooms": {"totalCount": len(expected), "nodes": nodes}}


# ---------------------------------------------------------------- the log


def test_a_room_event_passes_when_the_room_matches_before_or_after_it(admin: Client) -> None:
    room, head = admin.start(admin.department())["id"], admin.head()
    anna, bert = admin.agent(), admin.agent()
    for tags in (["hot"], ["hot", "new"], ["new"], []):
        admin.change("updateRoom", roomId=room, tags=tags)
    admin.change("assignAgent", roomId=room, agentId=anna)
    admin.change("transferRoom", roomId=room, to={"agentId": bert})

    hot = admin.since(head, where={"hasTags": ["hot"]})
    annas = admin.since(head, where={"servedById": anna})

    assert [event["room"]["tags"] for event in hot] == [["hot"], ["hot", "new"], ["new"]]
    assert [event["type"] for event in annas] == ["AGENT_ASSIGNED", "AGENT_UNASSIGNED"]
    assert {event["type"] for event in admin.since(head, where={})} == {
        "ROOM_UPDATED",
        "AGENT_ASSIGNED",
        "AGENT_UNASSIGNED",
        "ROOM_TRANSFERRED",
    }


def test_an_edge_of_the_log_has_the_cursor_of_its_event(admin: Client) -> None:
    head = admin.head()
    for _ in range(3):
        admin.user()
    document = """query ($after: Cursor) { events(after: $after, first: 2) {
      totalCount edges { cursor node { cursor sequence } } pageInfo { hasNextPage endCursor } } }"""

    first = admin.ask(document, after=head)["events"]
    second = admin.ask(document, after=first["pageInfo"]["endCursor"])["events"]

    edges = first["edges"] + second["edges"]
    assert [edge["cursor"] for edge in edges] == [edge["node"]["cursor"] for edge in edges]
    start = edges[0]["node"]["sequence"]
    assert [edge["node"]["sequence"] for edge in edges] == [start, start + 1, start + 2]
    assert (first["pageInfo"]["hasNextPage"], second["pageInfo"]["hasNextPage"]) == (True, False)


# ---------------------------------------------------------------- subscriptions


def types_of(socket: Socket, count: int) -> list[str]:
    return [socket.next()["type"] for _ in range(count)]


def test_each_subscription_delivers_from_the_cursor_and_then_live(admin: Client) -> None:
    here, agent, head = admin.department(), admin.agent(), admin.head()
    room = admin.start(here)["id"]
    asked: dict[str, Any] = {"after": head, "where": {"departmentId": here}}
    declared = "subscription ($after: Cursor, $where: RoomFilter)"

    with admin.socket() as socket:
        socket.follow("after where", **asked)
        assert types_of(socket, 2) == ["ROOM_STARTED", "ROOM_QUEUED"]
        admin.change("assignAgent", roomId=room, agentId=agent)
        assert types_of(socket, 1) == ["AGENT_ASSIGNED"]
        socket.send(id="1", type="complete")
        admin.change("sendMessage", roomId=room, text="Hello")
        admin.change("closeRoom", roomId=room)
        for name, selection, expected in (
            ("roomStarted", "room { roomId }", {"room": {"roomId": room}}),
            ("agentAssigned", "cause agent { agentId }", {"cause": "ASSIGNED", "agent": {"agentId": agent}}),
            ("messageSent", "roomRevision message { text }", {"roomRevision": 3, "message": {"text": "Hello"}}),
            ("agentUnassigned", "cause nextAgent { agentId }", {"cause": "CLOSED", "nextAgent": None}),
            ("roomClosed", "closedBy { id }", {"closedBy": {"id": "app_admin"}}),
        ):
            socket.subscribe(f"{declared} {{ {name}(after: $after, where: $where) {{ {selection} }} }}", **asked)
            assert socket.next() == expected


def test_invalid_subscription_is_an_error_and_the_socket_stays_open(admin: Client) -> None:
    with admin.socket() as socket:
        socket.follow("after", after="nonsense")
        assert socket.refusal()["code"] == "INVALID_CURSOR"
        socket.follow("where", where={"customFields": [{"key": "nobody-defined-it", "eq": 1}]})
        assert socket.refusal() == {"code": "UNKNOWN_FIELD", "key": "nobody-defined-it"}
        socket.subscribe("subscription { nope }")
        assert socket.refusal() == {"code": "GRAPHQL_VALIDATION_FAILED"}
        socket.subscribe("subscription {")
        assert socket.refusal() == {"code": "GRAPHQL_PARSE_FAILED"}
        socket.subscribe("{ viewer { id } }")
        assert socket.next() == {"id": "app_admin"}


@pytest.mark.parametrize("message", ["{", "5", "null", '{"type": "nope"}', '{"type": "subscribe", "id": 1}', b"\0"])
def test_malformed_message_closes_the_socket(admin: Client, message: str | bytes) -> None:
    with admin.socket() as socket:
        socket.connection.send(message)

        assert socket.close_code() == 4400


def test_consumer_resumes_after_its_acknowledged_cursor(admin: Client) -> None:
    name, head = new("consumer"), admin.head()
    for _ in range(3):
        admin.user()
    state = "query { consumers { name ackedCursor lag connected } }"

    def consumer() -> Data:
        found: Data = next(one for one in admin.ask(state)["consumers"] if one["name"] == name)
        return found

    with admin.socket() as socket, admin.socket() as other:
        socket.follow("after consumer", after=head, consumer=name)
        first, second, _ = (socket.next() for _ in range(3))
        assert consumer() == {"name": name, "ackedCursor": head, "lag": 3, "connected": True}
        other.follow("consumer", consumer=name)
        assert other.refusal() == {"code": "CONSUMER_BUSY"}
        for cursor in (second["cursor"], first["cursor"]):
            acked = admin.change("ackEvents", "consumer { ackedCursor lag }", consumer=name, cursor=cursor)
            assert acked["consumer"] == {"ackedCursor": second["cursor"], "lag": 1}
        socket.send(id="1", type="complete")
        other.follow("after consumer", after=second["cursor"], consumer=name)
        assert other.refusal() == {"code": "INVALID_INPUT", "key": "after"}
        other.follow("consumer", consumer=name)
        assert other.next()["sequence"] == second["sequence"] + 1

    admin.change("removeConsumer", consumer=name)
    assert admin.refusal("removeConsumer", consumer=name) == {"code": "NOT_FOUND", "key": "consumer"}
    refusal = admin.refusal("ackEvents", consumer=name, cursor=head)
    assert refusal == {"code": "NOT_FOUND", "key": "consumer"}
