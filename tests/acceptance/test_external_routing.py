"""The main use case over a real server: an external program decides which agent serves a room.

The program itself (examples/external_routing/demo.py) checks every event, and tests/examples/external_routing tests
that it reports differences. These tests run it by its command line.
"""

import re
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from storage.embedded.node import free_port
from tests import processes
from tests.acceptance.conftest import Run, Serve
from tests.processes import ADMIN_TOKEN, ServerProcess, mongods_on

#: Every event that the program prints, without its sequence and time.
EVENTS = [
    "RoomStarted       Ada Park: “My parcel is late”, served by nobody yet",
    "RoomQueued        waits in the queue",
    "RoutingRequested  the department waits for a decision",
    "AgentAssigned     Noor Haddad, before: nobody (ASSIGNED)",
    "RoomUpdated       customFields.demoCaseId: CASE-1 → CASE-2",
    "AgentUnassigned   Noor Haddad, next: Milo Varga (TRANSFERRED)",
    "RoomTransferred   Noor Haddad → Milo Varga: “about CASE-2”",
    "AgentAssigned     Milo Varga, before: Noor Haddad (TRANSFERRED)",
    "AgentUnassigned   Milo Varga, next: nobody (CLOSED)",
    "RoomClosed        by website: “solved”",
    "RoomStarted       Ada Park: “Where is my invoice?”, served by nobody yet",
    "RoomQueued        waits in the queue",
    "RoutingRequested  the department waits for a decision",
    "RoutingDeclined   “CASE-9 is not a case of ours”",
    "RoomQueued        waits in the queue",
    "RoomClosed        by website: “wrong desk”",
]


def events_in(printed: str) -> tuple[list[int], list[str]]:
    """The sequences of the printed events, and the events."""
    shown = re.findall(r"⇠ #(\d+)  (.*)  \d+ ms$", printed, re.MULTILINE)
    return [int(sequence) for sequence, _ in shown], [re.sub(r"CASE-\w+-(\d)", r"CASE-\1", event) for _, event in shown]


@dataclass(frozen=True)
class DemoRuns:
    """The results of two runs of the demo on one server."""

    url: str
    runs: tuple[subprocess.CompletedProcess[str], subprocess.CompletedProcess[str]]
    #: The data of the server after both runs.
    remaining: Any


@pytest.fixture(scope="module")
def demo_runs(mongodb_uri: str) -> Iterator[DemoRuns]:
    with ServerProcess(mongodb_uri, f"test-{secrets.token_hex(6)}") as server:
        port = str(urlsplit(server.url).port)
        runs = (
            processes.run("demo", PORT=port, ADMIN_TOKEN=ADMIN_TOKEN),
            processes.run("demo", PORT=port, ADMIN_TOKEN=ADMIN_TOKEN),
        )
        yield DemoRuns(server.url, runs, ask(server.url, REMAINING_DATA))


def ask(url: str, query: str) -> Any:
    """The answer to the operation with the admin token."""
    headers = {"authorization": f"Bearer {ADMIN_TOKEN}"}
    return httpx.post(url, json={"query": query}, headers=headers, timeout=60).json()


def test_journey_can_be_repeated_on_one_server(demo_runs: DemoRuns) -> None:
    first, second = demo_runs.runs
    sequences = []
    for one in demo_runs.runs:
        assert (one.returncode, one.stderr) == (0, "")
        seen, events = events_in(one.stdout)
        assert events == EVENTS
        sequences += seen
    assert all(sooner < later for sooner, later in pairwise(sequences))
    assert "custom field USER demoExternalId: TEXT, unique; new" in first.stdout
    assert "custom field ROOM demoCaseId: TEXT; new" in first.stdout
    assert "custom field USER demoExternalId: TEXT, unique; exists already" in second.stdout
    assert "department Demo: decided elsewhere: exists already" in second.stdout


REMAINING_DATA = """{
  rooms { nodes { status lastServedBy { user { name } } } }
  apps { name active }
  agents { nodes { user { name presence roles { name } } routable openRoomCount } }
}"""


def test_journey_leaves_closed_rooms_and_no_routable_agent(demo_runs: DemoRuns) -> None:
    data = demo_runs.remaining["data"]
    assert (
        data["rooms"]["nodes"]
        == [
            {"status": "CLOSED", "lastServedBy": {"user": {"name": "Milo Varga"}}},
            {"status": "CLOSED", "lastServedBy": None},
        ]
        * 2
    )
    assert {(app["name"], app["active"]) for app in data["apps"]} == {
        ("admin", True),
        ("website", False),
        ("case-router", False),
    }
    roles = [{"name": "bot"}, {"name": "livechat-agent"}]
    assert data["agents"]["nodes"] == [
        {"user": {"name": name, "presence": "OFFLINE", "roles": roles}, "routable": False, "openRoomCount": 0}
        for name in ("Noor Haddad", "Milo Varga") * 2
    ]


#: The first samples of docs/reference/custom-fields.md, and a second conversation about the same case.
OTHER_MUTATIONS = """
mutation {
  one: defineCustomField(input: { target: USER, key: "externalId", type: TEXT, unique: true }) { definition { key } }
  two: defineCustomField(input: { target: ROOM, key: "caseId", type: TEXT, unique: true }) { definition { key } }
  three: saveVisitor(input: { token: "v" }) { visitor { token } }
  four: startRoom(input: { visitorToken: "v", customFields: [{ key: "demoCaseId", value: "1" }] }) { room { status } }
  five: startRoom(input: { visitorToken: "v", customFields: [{ key: "demoCaseId", value: "1" }] }) { room { status } }
}
"""


def test_data_of_the_demo_does_not_affect_routing(demo_runs: DemoRuns) -> None:
    assert ask(demo_runs.url, OTHER_MUTATIONS) == {
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

    ended = run("demo", PORT=port)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert events_in(ended.stdout)[1] == EVENTS
    answer = ask(f"http://127.0.0.1:{port}/graphql", "{ apps { name active } }")
    assert {app["name"] for app in answer["data"]["apps"] if app["active"]} == {"admin"}


def test_demo_without_a_server_starts_one_and_removes_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    ended = run("demo", PORT=str(free_port()))

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("No Switchboard answers at http://127.0.0.1:")
    assert events_in(ended.stdout)[1] == EVENTS
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
