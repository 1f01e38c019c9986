"""The main use case over a real server: an external program decides which agent serves a room.

The program itself (examples/external_routing.py) checks every event; tests/examples/test_verdict.py checks that it
reports differences. These tests run it by its command line.
"""

import re
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from storage.embedded.node import free_port
from tests.acceptance.conftest import Run, Serve
from tests.processes import mongods_on

#: Every event that the program prints, without its sequence and time.
EVENTS = [
    "roomStarted      Ada Park, CASE, served by nobody yet",
    "agentAssigned    Noor Haddad, before: nobody (ASSIGNED)",
    "agentUnassigned  Noor Haddad, next: Milo Varga (TRANSFERRED)",
    "agentAssigned    Milo Varga, before: Noor Haddad (TRANSFERRED)",
    "agentUnassigned  Milo Varga, next: nobody (CLOSED)",
    "roomClosed       by case-router: “solved”",
]
ADMIN_TOKEN = "the-admin-token-of-the-tests"


def events_in(printed: str) -> tuple[list[int], list[str]]:
    """The sequences of the printed events, and the events."""
    shown = re.findall(r"⇠ #(\d+)  (.*)  \d+ ms$", printed, re.MULTILINE)
    return [int(sequence) for sequence, _ in shown], [re.sub(r"CASE-\w+", "CASE", event) for _, event in shown]


def test_journey_can_be_repeated_on_one_server(serve: Serve, run: Run, mongodb_uri: str, database_name: str) -> None:
    port = serve(MONGODB_URI=mongodb_uri, DATABASE=database_name, ADMIN_TOKEN=ADMIN_TOKEN)

    first = run("demo", PORT=port, ADMIN_TOKEN=ADMIN_TOKEN)
    second = run("demo", PORT=port, ADMIN_TOKEN=ADMIN_TOKEN)

    sequences = []
    for played in (first, second):
        assert (played.returncode, played.stderr) == (0, "")
        seen, events = events_in(played.stdout)
        assert events == EVENTS
        sequences += seen
    assert all(sooner < later for sooner, later in pairwise(sequences))
    assert "custom field USER demoExternalId: TEXT, unique; new" in first.stdout
    assert "custom field ROOM demoCaseId: TEXT; new" in first.stdout
    assert "custom field USER demoExternalId: TEXT, unique; exists already" in second.stdout
    assert "department Demo: decided elsewhere: exists already" in second.stdout


def test_journey_leaves_a_closed_room_and_no_routable_agent(
    serve: Serve, run: Run, mongodb_uri: str, database_name: str
) -> None:
    port = serve(MONGODB_URI=mongodb_uri, DATABASE=database_name, ADMIN_TOKEN=ADMIN_TOKEN)

    run("demo", PORT=port, ADMIN_TOKEN=ADMIN_TOKEN)

    answer = httpx.post(
        f"http://127.0.0.1:{port}/graphql",
        json={
            "query": "{ rooms { nodes { status lastServedBy { user { name } } } } apps { name active } "
            "agents { nodes { user { name presence roles { name } } routable openRoomCount } } }"
        },
        headers={"authorization": f"Bearer {ADMIN_TOKEN}"},
    ).json()
    roles = [{"name": "bot"}, {"name": "livechat-agent"}]
    assert answer == {
        "data": {
            "rooms": {"nodes": [{"status": "CLOSED", "lastServedBy": {"user": {"name": "Milo Varga"}}}]},
            "apps": [
                {"name": "admin", "active": True},
                {"name": "website", "active": False},
                {"name": "case-router", "active": False},
            ],
            "agents": {
                "nodes": [
                    {
                        "user": {"name": name, "presence": "OFFLINE", "roles": roles},
                        "routable": False,
                        "openRoomCount": 0,
                    }
                    for name in ("Noor Haddad", "Milo Varga")
                ]
            },
        }
    }


#: The first samples of docs/reference/custom-fields.md, and a second conversation about the same case.
AFTERWARDS = """
mutation {
  one: defineCustomField(input: { target: USER, key: "externalId", type: TEXT, unique: true }) { definition { key } }
  two: defineCustomField(input: { target: ROOM, key: "caseId", type: TEXT, unique: true }) { definition { key } }
  three: saveVisitor(input: { token: "v" }) { visitor { token } }
  four: startRoom(input: { visitorToken: "v", customFields: [{ key: "demoCaseId", value: "1" }] }) { room { status } }
  five: startRoom(input: { visitorToken: "v", customFields: [{ key: "demoCaseId", value: "1" }] }) { room { status } }
}
"""


def test_data_of_the_demo_does_not_affect_routing(serve: Serve, run: Run, mongodb_uri: str, database_name: str) -> None:
    port = serve(MONGODB_URI=mongodb_uri, DATABASE=database_name, ADMIN_TOKEN=ADMIN_TOKEN)
    run("demo", PORT=port, ADMIN_TOKEN=ADMIN_TOKEN)

    answer = httpx.post(
        f"http://127.0.0.1:{port}/graphql",
        json={"query": AFTERWARDS},
        headers={"authorization": f"Bearer {ADMIN_TOKEN}"},
        timeout=30,
    ).json()

    assert answer == {
        "data": {
            "one": {"definition": {"key": "externalId"}},
            "two": {"definition": {"key": "caseId"}},
            "three": {"visitor": {"token": "v"}},
            "four": {"room": {"status": "QUEUED"}},
            "five": {"room": {"status": "QUEUED"}},
        }
    }


def test_demo_without_a_token_creates_and_revokes_an_app(serve: Serve, run: Run) -> None:
    port = serve(ADMIN_TOKEN=ADMIN_TOKEN)

    played = run("demo", PORT=port)

    assert (played.returncode, played.stderr) == (0, "")
    assert events_in(played.stdout)[1] == EVENTS
    answer = httpx.post(
        f"http://127.0.0.1:{port}/graphql",
        json={"query": "{ apps { name active } }"},
        headers={"authorization": f"Bearer {ADMIN_TOKEN}"},
    ).json()
    assert {app["name"] for app in answer["data"]["apps"] if app["active"]} == {"admin"}


def test_demo_without_a_server_starts_one_and_removes_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    played = run("demo", PORT=str(free_port()))

    assert (played.returncode, played.stderr) == (0, "")
    assert played.stdout.startswith("No Switchboard answers at http://127.0.0.1:")
    assert events_in(played.stdout)[1] == EVENTS
    assert list(tmp_path.iterdir()) == []
    assert mongods_on(tmp_path) == []


def test_server_of_another_data_folder_is_refused_in_one_line(serve: Serve, run: Run, tmp_path: Path) -> None:
    port = serve()

    refused = run("demo", PORT=port, DATA_DIR=str(tmp_path / "other"))

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"switchboard: The server at http://127.0.0.1:{port} does not use the data folder {tmp_path}/other: "
        "set SWITCHBOARD_ADMIN_TOKEN to its admin token, or SWITCHBOARD_DATA_DIR to its data folder.\n"
    )
    assert not (tmp_path / "other").exists()


def test_wrong_token_fails_the_demo_with_a_message(
    serve: Serve, run: Run, mongodb_uri: str, database_name: str
) -> None:
    port = serve(MONGODB_URI=mongodb_uri, DATABASE=database_name)

    refused = run("demo", PORT=port, ADMIN_TOKEN="not-the-token-of-anybody")

    assert refused.returncode == 1
    assert refused.stdout.splitlines()[-1].strip().startswith("✗ UNAUTHENTICATED: ")
