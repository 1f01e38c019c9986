"""The commands of README.md exist, and those of its quick start work as described."""

import asyncio
import json
import re
import shlex
from itertools import pairwise
from typing import Any

import httpx
import pytest

from server.cli.main import make_parser
from tests.acceptance.conftest import Run, Serve
from tests.acceptance.document_client import Api, Refused, open_http, open_socket
from tests.processes import ROOT
from tests.storage.support import until

README = (ROOT / "README.md").read_text(encoding="utf-8")
PLACE, TOKEN = "http://127.0.0.1:8000", "let-me-in"


def commands() -> list[list[str]]:
    """The words of each command in the shell blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def those_of(program: str) -> list[list[str]]:
    return [words[1:] for words in commands() if words[0].endswith(program)]


def test_every_target_of_make_exists() -> None:
    targets = {word for words in those_of("make") for word in words}

    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert targets == {"run", "demo", "test", "check"}
    assert targets <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


def test_continuous_integration_runs_the_same() -> None:
    steps = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()

    assert {"make check", "make test"} <= set(steps)


def test_every_command_and_option_of_switchboard_exists() -> None:
    parsed = [make_parser().parse_args(words).command.name for words in those_of("switchboard")]

    assert parsed == ["seed", "create-app"]


def test_every_picture_exists_in_light_and_dark() -> None:
    pictures = re.findall(r'<(?:img src|source [^>]*srcset)="([^"]+)"', README)

    assert len(pictures) == 6
    assert [picture for picture in pictures if not (ROOT / picture).is_file()] == []


def test_exported_variables_are_settings() -> None:
    exported = [word.partition("=") for words in commands() if words[0] == "export" for word in words[1:]]

    assert [(variable, value) for variable, _, value in exported] == [("SWITCHBOARD_ADMIN_TOKEN", TOKEN)]


def request(curl: list[str]) -> dict[str, Any]:
    """The request that the curl command sends."""
    pairs = list(pairwise(curl))
    headers = dict(value.split(": ", 1) for option, value in pairs if option == "-H")
    (body,) = (value for option, value in pairs if option == "-d")
    assert f"{PLACE}/graphql" in curl
    return {"headers": headers, "content": body}


async def test_quick_start_works_as_written(serve: Serve, run: Run) -> None:
    subscription, question = those_of("curl")
    port = serve(ADMIN_TOKEN=TOKEN)
    url = f"http://127.0.0.1:{port}/graphql"

    async with httpx.AsyncClient() as http, http.stream("POST", url, timeout=30, **request(subscription)) as stream:
        played = await asyncio.to_thread(run, "demo", PORT=port, ADMIN_TOKEN=TOKEN)
        closed = await anext(line async for line in stream.aiter_lines() if "ROOM_CLOSED" in line)
        answer = (await http.post(url, **request(question))).json()
    created = run(*next(words for words in those_of("switchboard") if words[0] == "create-app"))

    assert played.returncode == 0
    assert json.loads(closed.removeprefix("data: "))["data"]["events"]["actor"] == {"name": "website"}
    rooms = [(room["status"], room["lastServedBy"]) for room in answer["data"]["rooms"]["nodes"]]
    assert rooms == [("CLOSED", {"user": {"name": "Milo Varga"}}), ("CLOSED", None)]
    assert created.returncode == 0
    assert created.stdout.startswith("sb_app_")


async def test_client_of_the_documented_journey_assigns_every_room(serve: Serve) -> None:
    """The server is new, has its defaults, and has an agent to which routing could assign every room."""
    (document,) = re.findall(r"```graphql\n(.*?)```", README, re.DOTALL)
    port = serve(ADMIN_TOKEN=TOKEN)
    url = f"http://127.0.0.1:{port}/graphql"
    visitors = """
        mutation Rival { createUser(input: { username: "rival", roles: ["bot"] }) { user { id } } }
        mutation Hire($id: ID!) { addAgent(input: { userId: $id }) { agent { routable } } }
        mutation Join($department: ID!, $id: ID!) {
          setDepartmentAgents(input: { departmentId: $department, add: [$id] }) { department { id } }
        }
        mutation Visit { saveVisitor(input: { token: "v" }) { visitor { id } } }
        mutation Start($department: ID) {
          startRoom(input: { visitorToken: "v", departmentId: $department }) {
            room { id status servedBy { user { username } } }
          }
        }
        query Consumers { consumers { name } }
        query Rooms { rooms { nodes { servedBy { user { username } } } } }
    """
    async with open_http() as http, open_socket(url, TOKEN, document) as socket:
        program, world = Api(http, url, TOKEN, document), Api(http, url, TOKEN, visitors)
        rival = (await world.run("Rival"))["createUser"]["user"]["id"]
        await world.run("Hire", id=rival)
        await world.run("Visit")
        department = (await program.run("Prepare"))["createDepartment"]["department"]["id"]
        await world.run("Join", department=department, id=rival)
        started: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        await socket.subscribe("Requested", started.put_nowait, departmentId=department)
        reading = asyncio.create_task(socket.run())

        async def has_begun() -> bool:
            return bool((await world.run("Consumers"))["consumers"] == [{"name": "my-crm"}])

        await until(has_begun)  # its position is stored
        for _ in range(3):
            await world.run("Start", department=department)
            event = (await asyncio.wait_for(started.get(), 30))["events"]
            agent = (await program.run("Ensure"))["ensureAgent"]["agent"]["id"]
            room_id, cursor = event["room"]["roomId"], event["cursor"]
            decided = await program.run("Decide", roomId=room_id, agentId=agent, cursor=cursor)
            assert decided == {"assignAgent": {"room": {"status": "ASSIGNED"}}}
            with pytest.raises(Refused, match="ALREADY_ACKNOWLEDGED"):
                await program.run("Decide", roomId=room_id, agentId=agent, cursor=cursor)
            assert await program.run("Done", cursor=cursor) == {"ackEvents": {"consumer": {"lag": 0}}}
        elsewhere = await world.run("Start")
        reading.cancel()
        rooms = (await world.run("Rooms"))["rooms"]["nodes"]

    served = [room["servedBy"]["user"]["username"] for room in rooms]
    assert served == ["e-1001", "e-1001", "e-1001", "rival"]
    assert elsewhere["startRoom"]["room"]["servedBy"]["user"]["username"] == "rival"
