"""The contract of live lists and counts, over websockets and event streams."""

import json

import httpx

from tests.acceptance.clients import Client

LIST = """subscription ($where: RoomFilter, $first: Int! = 50, $after: Cursor) {
  roomList(where: $where, first: $first, after: $after) {
    cursor change roomId totalCount room { id status subject department { id name } visitor { id } servedBy { id } }
  }
}"""
COUNTS = """subscription ($where: RoomFilter) {
  roomCounts(where: $where, by: [STATUS, DEPARTMENT]) {
    cursor groups { count status department { id } servedBy { id } } }
}"""


def test_list_reports_entries_that_enter_change_and_leave(admin: Client) -> None:
    department = admin.department()
    first = admin.start(department)["id"]
    where = {"departmentId": department, "status": ["QUEUED"]}
    with admin.socket() as socket:
        socket.subscribe(LIST, where=where, first=1)
        present, ready = socket.next(), socket.next()
        assert (present["change"], present["roomId"], present["totalCount"]) == ("PRESENT", first, None)
        assert present["room"]["department"]["id"] == department
        assert (ready["change"], ready["roomId"], ready["room"], ready["totalCount"]) == ("READY", None, None, 1)
        admin.change("updateRoom", roomId=first, subject="hello")
        changed = socket.next()
        assert (changed["change"], changed["room"]["subject"]) == ("CHANGED", "hello")
        second = admin.start(department)["id"]
        assert socket.next()["totalCount"] == 2
        admin.change("closeRoom", roomId=first)
        left, entered = socket.next(), socket.next()
        assert (left["change"], left["roomId"], left["totalCount"]) == ("LEFT", first, 1)
        assert (entered["change"], entered["roomId"]) == ("ENTERED", second)
        assert left["cursor"] != entered["cursor"]


def test_a_list_by_event_stream_resumes_after_its_last_event_id(admin: Client) -> None:
    department = admin.department()
    first = admin.start(department)["id"]
    where = {"departmentId": department}
    headers = {"Authorization": f"Bearer {admin.token}", "Accept": "text/event-stream"}
    body = {"query": LIST, "variables": {"where": where}}

    def changes(last_event_id: str | None) -> tuple[list[tuple[str, str | None]], str]:
        resumed = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
        found: list[tuple[str, str | None]] = []
        cursor = ""
        with httpx.stream("POST", admin.url, json=body, headers=headers | resumed, timeout=60) as response:
            for line in response.iter_lines():
                if line.startswith("id: "):
                    cursor = line.removeprefix("id: ")
                if line.startswith("data: ") and "roomList" in line:
                    update = json.loads(line.removeprefix("data: "))["data"]["roomList"]
                    assert update["cursor"] == cursor
                    found.append((update["change"], update["roomId"]))
                    if update["change"] == "READY":
                        return found, cursor
        raise AssertionError("the stream ended")

    updates, cursor = changes(None)
    assert updates == [("PRESENT", first), ("READY", None)]
    second = admin.start(department)["id"]
    updates, _ = changes(cursor)
    assert updates == [("ENTERED", second), ("READY", None)]


def test_the_cursor_of_another_list_is_refused(admin: Client) -> None:
    with admin.socket() as socket:
        socket.subscribe(LIST, after=admin.head())
        assert socket.refusal()["code"] == "INVALID_CURSOR"


def test_counts_are_sent_initially_and_on_change(admin: Client) -> None:
    department = admin.department()
    admin.start(department)
    where = {"departmentId": department}
    group = {"count": 1, "status": "QUEUED", "department": {"id": department}, "servedBy": None}
    asked = """query ($where: RoomFilter) {
      roomCounts(where: $where, by: [STATUS, DEPARTMENT]) { groups { count status department { id } servedBy { id } } }
    }"""
    assert admin.ask(asked, where=where)["roomCounts"]["groups"] == [group]
    with admin.socket() as socket:
        socket.subscribe(COUNTS, where=where)
        assert socket.next()["groups"] == [group]
        admin.start(department)
        assert socket.next()["groups"] == [group | {"count": 2}]
