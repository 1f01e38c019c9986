"""The contract of timers: they are set, listed and cancelled, and become events of their room."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.acceptance.clients import Client, Data, new

TIMER = "timer { name dueAt data setBy { type id name } room { id } }"
EVENT = """
  type sequence cursor actor { type id } clientMutationId ... on RoomEvent { roomRevision room { roomId } }
  ... on TimerElapsed { name data setBy { type id name } }
"""
LIST = "query ($id: ID!) { timers(roomId: $id) { name dueAt data setBy { type id name } room { id } } }"


def listed(client: Client, room: Data) -> Any:
    return client.ask(LIST, id=room["id"])["timers"]


def test_a_timer_becomes_an_event_of_its_room(admin: Client) -> None:
    room, head = admin.start(admin.department()), admin.head()
    viewer = admin.ask("{ viewer { type id name } }")["viewer"]

    with admin.socket() as socket:
        socket.follow("after types", EVENT, after=head, types=["TIMER_ELAPSED"])
        timer = admin.change("setTimer", TIMER, roomId=room["id"], name="soon", seconds=1, data={"step": [1]})["timer"]
        later = admin.change("setTimer", TIMER, roomId=room["id"], name="later", seconds=600)["timer"]
        assert listed(admin, room) == [timer, later]
        assert {**timer, "dueAt": ""} == {
            "name": "soon",
            "dueAt": "",
            "data": {"step": [1]},
            "setBy": viewer,
            "room": {"id": room["id"]},
        }
        event = socket.next()

    assert {**event, "sequence": 0, "cursor": ""} == {
        "type": "TIMER_ELAPSED",
        "sequence": 0,
        "cursor": "",
        "actor": {"type": "SYSTEM", "id": None},
        "clientMutationId": None,
        "roomRevision": room["revision"],
        "room": {"roomId": room["id"]},
        "name": "soon",
        "data": {"step": [1]},
        "setBy": viewer,
    }
    assert admin.room(room["id"])["revision"] == room["revision"]
    assert listed(admin, room) == [later]
    assert admin.refusal("cancelTimer", roomId=room["id"], name="soon") == {"code": "NOT_FOUND", "key": "name"}


def test_events_of_the_room_restart_and_cancel_timers(admin: Client) -> None:
    room = admin.start(admin.department())
    both = {"restartOn": ["MESSAGE_SENT"], "cancelOn": ["ROOM_UPDATED"]}
    admin.change("setTimer", TIMER, roomId=room["id"], name="t", seconds=600, **both)

    sent = admin.change("sendMessage", "message { sentAt }", roomId=room["id"], text="Hi")["message"]["sentAt"]
    (timer,) = listed(admin, room)
    assert datetime.fromisoformat(timer["dueAt"]) == datetime.fromisoformat(sent) + timedelta(seconds=600)
    admin.change("updateRoom", roomId=room["id"], subject="S")
    assert listed(admin, room) == []

    admin.change("setTimer", TIMER, roomId=room["id"], name="t", seconds=600)
    assert admin.change("cancelTimer", "cancelled", roomId=room["id"], name="t") == {"cancelled": True}
    admin.change("setTimer", TIMER, roomId=room["id"], name="t", seconds=600)
    admin.change("closeRoom", roomId=room["id"])
    assert listed(admin, room) == []
    assert admin.refusal("setTimer", roomId=room["id"], name="t", seconds=1) == {"code": "ROOM_CLOSED"}
    assert admin.refusal("cancelTimer", roomId=room["id"], name="t") == {"code": "NOT_FOUND", "key": "name"}


def test_the_timer_for_an_event_is_set_once(admin: Client) -> None:
    room, consumer, head = admin.start(admin.department()), new("c"), admin.head()
    with admin.socket() as socket:
        socket.follow("after consumer types", EVENT, after=head, consumer=consumer, types=["MESSAGE_SENT"])
        admin.change("sendMessage", roomId=room["id"], text="Hi")
        ack = {"consumer": consumer, "cursor": socket.next()["cursor"]}

    again = new()
    given: Data = {"roomId": room["id"], "name": "t", "seconds": 600, "ack": ack}
    first = admin.change("setTimer", TIMER, **given, clientMutationId=again)
    assert admin.change("setTimer", TIMER, **given, clientMutationId=again) == first
    assert admin.refusal("setTimer", **{**given, "seconds": 5})["code"] == "ALREADY_ACKNOWLEDGED"
    assert admin.refusal("cancelTimer", roomId=room["id"], name="t", ack=ack)["code"] == "ALREADY_ACKNOWLEDGED"
    mismatch = admin.refusal("setTimer", **{**given, "seconds": 5}, clientMutationId=again)
    assert mismatch["code"] == "IDEMPOTENCY_MISMATCH"

    assert listed(admin, room) == [first["timer"]]


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"roomId": "usr_x"}, "INVALID_INPUT", "roomId"),
    ({"roomId": "room_x"}, "NOT_FOUND", "roomId"),
    ({"name": ""}, "INVALID_INPUT", "name"),
    ({"name": "n" * 129}, "INVALID_INPUT", "name"),
    ({"name": "a\0b"}, "INVALID_INPUT", "name"),
    ({"seconds": 0}, "INVALID_INPUT", "seconds"),
    ({"seconds": 31_536_001}, "INVALID_INPUT", "seconds"),
    ({"seconds": 1.5}, "INVALID_INPUT", "seconds"),
    ({"restartOn": ["USER_CREATED"]}, "INVALID_INPUT", "restartOn"),
    ({"restartOn": ["NOTHING"]}, "INVALID_INPUT", "restartOn"),
    ({"cancelOn": ["MESSAGE_SENT", "APP_CREATED"]}, "INVALID_INPUT", "cancelOn"),
    ({"data": "x" * 16_384}, "INVALID_INPUT", "data"),
    ({"clientMutationId": ""}, "INVALID_INPUT", "clientMutationId"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_a_timer_is_refused_by_the_name_of_its_key(admin: Client, number: int) -> None:
    given, code, key = REFUSED[number]
    room = admin.start(admin.department())

    with admin.nothing_happens():
        refusal = admin.refusal("setTimer", **{"roomId": room["id"], "name": "t", "seconds": 1, **given})

    assert (refusal["code"], refusal["key"].partition(".")[0]) == (code, key)
    assert listed(admin, room) == []


def test_timers_are_open_to_the_scopes_of_rooms_alone(admin: Client) -> None:
    room, visitor = admin.start(admin.department()), admin.visitor()
    given: Data = {"roomId": room["id"], "name": "t"}
    token = admin.change("createVisitorSession", "token", visitorToken=visitor)["token"]
    for client in (Client(admin.http, admin.url, token), admin.app("messages:write"), admin.app("rooms:read")):
        assert client.refusal("setTimer", **given, seconds=1)["code"] == "FORBIDDEN"
        assert client.refusal("cancelTimer", **given)["code"] == "FORBIDDEN"

    assert admin.app("rooms:write").query_refusal(LIST, id=room["id"])["code"] == "FORBIDDEN"
    assert Client(admin.http, admin.url, token).query_refusal(LIST, id=room["id"])["code"] == "FORBIDDEN"
    assert listed(admin.app("rooms:read"), room) == []
    assert admin.ask(LIST, id="room_x")["timers"] is None
    assert admin.query_refusal(LIST, id="usr_x")["code"] == "INVALID_INPUT"
