import re
from pathlib import Path

from storage.records import RoomStatus
from tests.resolvers.test_rooms_refusals import ILLEGAL

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "rooms.md").read_text(encoding="utf-8")


def test_every_mutation_and_event_that_the_page_names_exists() -> None:
    schema = (ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8")
    first_cells = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("|")]
    mutations = set(re.findall(r"`([a-z]\w+(?:Room|Agent|Active|Message))\b", " ".join(first_cells)))
    events = set(re.findall(r"`((?:Room|Agent)[A-Z]\w+)`", PAGE))

    assert {name for name in mutations if not re.search(rf"^  {name}\(", schema, re.MULTILINE)} == set()
    assert {name for name in events if not re.search(rf"^type {name} ", schema, re.MULTILINE)} == set()
    assert {"startRoom", "transferRoom", "setUserActive"} <= mutations
    assert {"RoomStarted", "AgentRemoved", "RoomTransferred"} <= events


def test_the_page_shows_every_illegal_move_and_no_other() -> None:
    tested = {
        (name.removesuffix(" to an agent").removesuffix(" to a department"), status, code)
        for name, status, code in ILLEGAL
    }

    assert {(name, status, code) for name, status, code in shown()} - {
        ("sendMessage", RoomStatus.CLOSED, "ROOM_CLOSED")
    } == {
        (name.replace("to its own agent", "to the agent that serves it"), status, code) for name, status, code in tested
    }


def shown() -> set[tuple[str, RoomStatus, str]]:
    """The transition, status and code of every cell of the table."""
    table = PAGE.partition("### Illegal moves")[2].partition("| also refused |")[0]
    found = set()
    for line in re.findall(r"^\| `.*$", table, re.MULTILINE):
        moves, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for status, code in zip(RoomStatus, cells, strict=True):
            for move in re.findall(r"`\w+`[^,`]*", moves):
                if code:
                    found.add((move.replace("`", "").strip(), status, code))
    return found
