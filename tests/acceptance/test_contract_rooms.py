"""The contract of rooms: how they are assigned, which operations are refused, and the order of their events."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.acceptance.clients import ROOM, Client, Data, new


def summarize(events: list[Data]) -> list[tuple[Any, ...]]:
    """A tuple for each event: type, room revision, type of the actor and, for assignments, the cause."""
    return [
        (event["type"], event["roomRevision"], event["actor"]["type"], *filter(None, [event.get("cause")]))
        for event in events
    ]


def wait_for(admin: Client, room: Data, type: str, cursor: str) -> Data:
    """Wait for the next event of that type and room."""
    with admin.socket() as socket:
        socket.follow("after where types", after=cursor, where={"ids": [room["id"]]}, types=[type])
        return socket.next()


# ---------------------------------------------------------------- the order of a room's events


def test_room_is_queued_when_no_agent_can_serve_it(admin: Client) -> None:
    head, again = admin.head(), new()

    room = admin.start(admin.department(), priority=3, tags=["t"], clientMutationId=again)

    assert (room["status"], room["revision"], room["servedBy"], room["assignedAt"]) == ("QUEUED", 2, None, None)
    assert (room["source"], room["subject"], room["priority"], room["tags"]) == ("api", None, 3, ["t"])
    events = [event for event in admin.since(head) if "roomRevision" in event]
    assert summarize(events) == [("ROOM_STARTED", 1, "APP"), ("ROOM_QUEUED", 2, "SYSTEM")]
    assert [event["clientMutationId"] for event in events] == [again, again]
    assert [event["room"]["revision"] for event in events] == [1, 2]


def test_room_is_routed_immediately_and_events_have_snapshots(admin: Client) -> None:
    department = admin.department("LEAST_LOADED")
    agent = admin.agent(department, name="Ada")
    visitor, again, head = admin.visitor(), new(), admin.head()

    room = admin.start(department, visitorToken=visitor, clientMutationId=again)
    admin.change("updateRoom", roomId=room["id"], subject="later")
    admin.change("updateUser", userId=agent, name="Renamed")

    assert (room["status"], room["revision"], room["servedBy"]) == ("ASSIGNED", 2, {"id": agent, "openRoomCount": 1})
    assert room["lastServedBy"] == {"id": agent}
    started, assigned, updated, _ = admin.since(head)
    assert summarize([started, assigned]) == [("ROOM_STARTED", 1, "APP"), ("AGENT_ASSIGNED", 2, "SYSTEM", "ROUTED")]
    assert started["clientMutationId"] == assigned["clientMutationId"] == again
    assert (started["room"]["servedBy"], started["room"]["status"]) == (None, "QUEUED")
    assert assigned["room"]["servedBy"] == {"agentId": agent, "openRoomCount": 1, "user": {"name": "Ada"}}
    assert (assigned["agent"], assigned["previousAgent"]) == ({"agentId": agent, "openRoomCount": 1}, None)
    assert (assigned["room"]["subject"], updated["room"]["subject"]) == (None, "later")
    assert [started["sequence"] + number for number in range(3)] == [
        event["sequence"] for event in (started, assigned, updated)
    ]


def test_assigned_unassigned_transferred_and_closed_name_both_agents(admin: Client) -> None:
    here, there = admin.department(), admin.department()
    anna, bert = admin.agent(), admin.agent()
    room, head = admin.start(here), admin.head()
    one = {"roomId": room["id"]}

    admin.change("assignAgent", **one, agentId=anna, ifRevision=2)
    admin.change("transferRoom", **one, to={"agentId": bert}, comment="Knows more")
    admin.change("sendMessage", **one, text="Hello")
    admin.change("transferRoom", **one, to={"departmentId": there})
    admin.change("assignAgent", **one, agentId=anna)
    admin.change("unassignAgent", **one)
    admin.change("transferRoom", **one, to={"agentId": bert})
    admin.change("holdRoom", **one)
    admin.change("closeRoom", **one, comment="Solved")

    events = admin.since(head)
    assert summarize(events) == [
        ("AGENT_ASSIGNED", 3, "APP", "ASSIGNED"),
        ("AGENT_UNASSIGNED", 4, "APP", "TRANSFERRED"),
        ("ROOM_TRANSFERRED", 5, "APP"),
        ("AGENT_ASSIGNED", 6, "APP", "TRANSFERRED"),
        ("MESSAGE_SENT", 6, "APP"),
        ("AGENT_UNASSIGNED", 7, "APP", "TRANSFERRED"),
        ("ROOM_TRANSFERRED", 8, "APP"),
        ("ROOM_QUEUED", 9, "SYSTEM"),
        ("AGENT_ASSIGNED", 10, "APP", "ASSIGNED"),
        ("AGENT_UNASSIGNED", 11, "APP", "UNASSIGNED"),
        ("ROOM_QUEUED", 12, "SYSTEM"),
        ("ROOM_TRANSFERRED", 13, "APP"),
        ("AGENT_ASSIGNED", 14, "APP", "TRANSFERRED"),
        ("ROOM_HELD", 15, "APP"),
        ("AGENT_UNASSIGNED", 16, "APP", "CLOSED"),
        ("ROOM_CLOSED", 17, "APP"),
    ]
    assert [event["roomRevision"] for event in events] == [event["room"]["revision"] for event in events]
    a, b = {"agentId": anna}, {"agentId": bert}
    assert [event["nextAgent"] for event in events if "nextAgent" in event] == [b, None, None, None]
    assert [event["previousAgent"] for event in events if "previousAgent" in event] == [None, a, b, a]
    transfers = [event for event in events if event["type"] == "ROOM_TRANSFERRED"]
    assert [(event["fromAgent"], event["toAgent"], event["comment"]) for event in transfers] == [
        (a, b, "Knows more"),
        (b, None, None),
        (None, b, None),
    ]
    assert (transfers[1]["fromDepartment"], transfers[1]["toDepartment"]) == (
        {"departmentId": here},
        {"departmentId": there},
    )
    closed = events[-1]
    assert (closed["closedBy"]["type"], closed["comment"], closed["room"]["lastServedBy"]) == ("APP", "Solved", b)
    assert admin.room(room["id"])["revision"] == 17


# ---------------------------------------------------------------- refusals


def test_agent_that_cannot_take_a_room_is_named_with_the_reason(admin: Client) -> None:
    here = admin.department()
    full = admin.agent(maxRooms=0)
    inactive = admin.agent()
    admin.change("setUserActive", userId=inactive, active=False)
    reasons = {
        full: "AT_CAPACITY",
        inactive: "INACTIVE",
        admin.agent(status="NOT_AVAILABLE"): "NOT_AVAILABLE",
        admin.agent(presence="OFFLINE"): "OFFLINE",
    }
    room, plain = admin.start(here)["id"], admin.user()

    with admin.nothing_happens():
        for agent, reason in reasons.items():
            refusal = {"code": "AGENT_NOT_ROUTABLE", "reason": reason}
            assert admin.refusal("assignAgent", roomId=room, agentId=agent) == refusal
            assert admin.refusal("transferRoom", roomId=room, to={"agentId": agent}) == refusal
        assert admin.refusal("assignAgent", roomId=room, agentId=plain) == {"code": "NOT_AN_AGENT"}
        assert admin.refusal("assignAgent", roomId="room_nope", agentId=full) == {"code": "NOT_FOUND", "key": "roomId"}
        assert admin.refusal("assignAgent", roomId=room, agentId="agt_nope") == {"code": "NOT_FOUND", "key": "agentId"}


def test_each_status_refuses_invalid_transitions(admin: Client) -> None:
    here, anna, bert = admin.department(), admin.agent(username=new("anna")), admin.agent()
    named = admin.ask("query ($by: UserBy!) { user(by: $by) { id username } }", by={"id": anna})["user"]
    waiting, served, held, closed = (admin.start(here)["id"] for _ in range(4))
    for room in (served, held):
        admin.change("assignAgent", roomId=room, agentId=anna)
    admin.change("holdRoom", roomId=held)
    admin.change("closeRoom", roomId=closed)
    taken = {
        "code": "ROOM_ALREADY_ASSIGNED",
        "servedBy": {"id": anna, "userId": named["id"], "username": named["username"]},
    }

    with admin.nothing_happens():
        assert admin.refusal("assignAgent", roomId=served, agentId=bert) == taken
        assert admin.refusal("unassignAgent", roomId=waiting) == {"code": "ROOM_NOT_ASSIGNED"}
        assert admin.refusal("holdRoom", roomId=waiting) == {"code": "ROOM_NOT_ASSIGNED"}
        assert admin.refusal("holdRoom", roomId=held) == {"code": "ROOM_ON_HOLD"}
        assert admin.refusal("resumeRoom", roomId=served) == {"code": "ROOM_NOT_ON_HOLD"}
        assert admin.refusal("updateRoom", roomId=served, subject="S", ifRevision=2) == {
            "code": "STALE_REVISION",
            "revision": 3,
        }
        refused: dict[str, dict[str, Any]] = {
            "assignAgent": {"agentId": bert},
            "unassignAgent": {},
            "transferRoom": {"to": {"agentId": bert}},
            "holdRoom": {},
            "resumeRoom": {},
            "updateRoom": {"subject": "S"},
            "closeRoom": {},
            "sendMessage": {"text": "Hello"},
        }
        for name, given in refused.items():
            assert admin.refusal(name, roomId=closed, **given) == {"code": "ROOM_CLOSED"}, name


def test_one_of_six_concurrent_assignments_succeeds_and_the_others_name_its_agent(admin: Client) -> None:
    room, agents = admin.start(admin.department())["id"], [admin.agent() for _ in range(6)]
    assign = "mutation ($input: AssignAgentInput!) { assignAgent(input: $input) { room { servedBy { id } } } }"

    with ThreadPoolExecutor(6) as threads:
        asked = [{"input": {"roomId": room, "agentId": agent}} for agent in agents]
        answers = list(threads.map(lambda one: admin.answer(assign, one), asked))

    won = [answer["data"]["assignAgent"]["room"]["servedBy"]["id"] for answer in answers if not answer.get("errors")]
    lost = [answer["errors"][0]["extensions"] for answer in answers if answer.get("errors")]
    assert len(won) == 1
    assert [(one["code"], one["servedBy"]["id"]) for one in lost] == [("ROOM_ALREADY_ASSIGNED", won[0])] * 5


def test_disabled_department_takes_no_new_rooms_and_keeps_its_rooms(admin: Client) -> None:
    here, visitor = admin.department("LEAST_LOADED"), admin.visitor()
    waiting = admin.start(here)
    admin.change("updateDepartment", departmentId=here, enabled=False)
    head = admin.head()

    with admin.nothing_happens():
        refusal = admin.refusal("startRoom", visitorToken=visitor, departmentId=here)
    agent = admin.agent(here)

    assert refusal == {"code": "DEPARTMENT_DISABLED"}
    assert wait_for(admin, waiting, "AGENT_ASSIGNED", head)["agent"]["agentId"] == agent


# ---------------------------------------------------------------- routing


def test_least_loaded_orders_by_load_then_idle_time_then_username(admin: Client) -> None:
    here, word = admin.department("LEAST_LOADED"), new()
    b, a, c = (admin.agent(here, username=f"{letter}{word}") for letter in "bac")

    served = [admin.start(here)["servedBy"]["id"] for _ in range(4)]

    assert served == [a, b, c, a]


def test_round_robin_ignores_load(admin: Client) -> None:
    here, word = admin.department("ROUND_ROBIN"), new()
    b, a = (admin.agent(here, username=f"{letter}{word}") for letter in "ba")
    rooms = [admin.start(here) for _ in range(2)]
    admin.change("closeRoom", roomId=rooms[1]["id"])

    third = admin.start(here)

    assert [room["servedBy"]["id"] for room in (*rooms, third)] == [a, b, a]


def test_unassigned_room_skips_its_last_agent_once(admin: Client) -> None:
    here = admin.department("LEAST_LOADED")
    alone = admin.agent(here)
    room = admin.start(here)["id"]

    queued = admin.change("unassignAgent", ROOM, roomId=room)["room"]
    head = admin.head()
    other = admin.agent(here, presence="OFFLINE")
    admin.change("setPresence", userId=other, presence="ONLINE")

    assert (queued["status"], queued["servedBy"], queued["lastServedBy"]) == ("QUEUED", None, {"id": alone})
    assert wait_for(admin, queued, "AGENT_ASSIGNED", head)["previousAgent"] == {"agentId": alone}


def test_capacity_is_never_exceeded_and_the_queue_moves_by_priority_when_it_returns(admin: Client) -> None:
    here = admin.department("LEAST_LOADED")
    agent, head = admin.agent(here, maxRooms=2), admin.head()
    visitors = [admin.visitor() for _ in range(8)]

    with ThreadPoolExecutor(8) as threads, admin.socket() as socket:
        socket.follow("after where types", after=head, where={"departmentId": here}, types=["AGENT_ASSIGNED"])
        list(threads.map(lambda visitor: admin.start(here, visitorToken=visitor), visitors))
        served = [socket.next()["room"] for _ in range(2)]
        urgent = admin.start(here, priority=1)
        admin.change("holdRoom", roomId=served[0]["roomId"])
        next_one = socket.next()

    assert [room["servedBy"]["openRoomCount"] for room in served] == [1, 2]
    assert (next_one["room"]["roomId"], next_one["agent"]) == (urgent["id"], {"agentId": agent, "openRoomCount": 2})
    with admin.nothing_happens():
        refusal = admin.refusal("resumeRoom", roomId=served[0]["roomId"])
    assert refusal == {"code": "AGENT_NOT_ROUTABLE", "reason": "AT_CAPACITY"}
    admin.change("updateAgent", agentId=agent, maxRooms=0)
    admin.change("closeRoom", roomId=urgent["id"])
    admin.change("setPresence", userId=agent, presence="OFFLINE")
    admin.change("updateAgent", agentId=agent, maxRooms=2)
    assert admin.change("resumeRoom", ROOM, roomId=served[0]["roomId"])["room"]["status"] == "ASSIGNED"


@pytest.mark.parametrize(("leave", "input"), [("removeAgent", {}), ("setUserActive", {"active": False})])
def test_rooms_of_an_absent_agent_return_to_the_queue(admin: Client, leave: str, input: dict[str, Any]) -> None:
    here, agent = admin.department(), admin.agent()
    rooms = [admin.start(here)["id"] for _ in range(2)]
    for room in rooms:
        admin.change("assignAgent", roomId=room, agentId=agent)
    admin.change("holdRoom", roomId=rooms[1])
    head, again = admin.head(), new()

    admin.change(leave, userId=agent, clientMutationId=again, **input)

    for room in rooms:
        events = admin.since(head, where={"ids": [room]})
        assert [(event["type"], event.get("cause")) for event in events] == [
            ("AGENT_UNASSIGNED", "AGENT_REMOVED"),
            ("ROOM_QUEUED", None),
        ]
        assert [event["clientMutationId"] for event in events] == [again] * 2
        assert (admin.room(room)["status"], admin.room(room)["lastServedBy"]) == ("QUEUED", {"id": agent})


def test_overdue_external_decision_falls_back(admin: Client) -> None:
    here = admin.department("EXTERNAL", externalTimeoutSeconds=1, fallbackRouting="LEAST_LOADED")
    agent, head, began = admin.agent(here), admin.head(), time.monotonic()

    room = admin.start(here)
    assigned = wait_for(admin, room, "AGENT_ASSIGNED", head)

    assert room["status"] == "QUEUED"
    assert (assigned["agent"]["agentId"], assigned["cause"], assigned["actor"]["type"]) == (agent, "ROUTED", "SYSTEM")
    assert assigned["clientMutationId"] is None
    assert time.monotonic() - began >= 1


# ---------------------------------------------------------------- changes


def test_a_room_is_closed_with_its_last_tags_and_fields(admin: Client) -> None:
    number, room = admin.field("ROOM", "NUMBER"), admin.start(admin.department(), tags=["a", "b"])
    head = admin.head()
    given = {"tags": ["b", "c"], "customFields": [{"key": number, "value": 5}]}

    closed = admin.change("closeRoom", ROOM, roomId=room["id"], comment="Solved", **given)["room"]

    (event,) = admin.since(head)
    for one in (closed, event["room"]):
        assert (one["status"], one["tags"]) == ("CLOSED", ["a", "b", "c"])
        assert one["customFields"] == [{"key": number, "value": 5}]
    assert closed["closeComment"] == event["comment"] == "Solved"


def test_concurrent_increments_add_up(admin: Client) -> None:
    number, room = admin.field("ROOM", "NUMBER"), admin.start(admin.department())["id"]
    head = admin.head()

    with ThreadPoolExecutor(25) as threads:
        add = {"roomId": room, "increment": [{"key": number, "by": 1}]}
        list(threads.map(lambda _: admin.change("updateRoom", **add), range(25)))

    assert admin.room(room)["customFields"] == [{"key": number, "value": 25}]
    events = admin.since(head)
    assert [event["changes"] for event in events] == [
        [{"field": f"customFields.{number}", "before": count or None, "after": count + 1}] for count in range(25)
    ]


def test_app_sends_as_agent_visitor_or_itself(admin: Client) -> None:
    room, agent, other = admin.start(admin.department()), admin.agent(), admin.user()
    admin.change("assignAgent", roomId=room["id"], agentId=agent)
    sender = "message { sender { type id } }"
    visitor = room["visitor"]

    for speaker, sent in (
        ({}, {"type": "APP", "id": "app_admin"}),
        ({"as": {"userId": agent}}, {"type": "USER", "id": agent.replace("agt_", "usr_")}),
        ({"as": {"visitorToken": visitor["token"]}}, {"type": "VISITOR", "id": visitor["id"]}),
    ):
        message = admin.change("sendMessage", sender, roomId=room["id"], text="Hello", **speaker)["message"]
        assert message == {"sender": sent}
    with admin.nothing_happens():
        refusal = admin.refusal("sendMessage", roomId=room["id"], text="x", **{"as": {"userId": other}})
    assert refusal["code"] == "INVALID_INPUT"
