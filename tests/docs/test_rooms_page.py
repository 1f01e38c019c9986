import re
from pathlib import Path

from storage.records import RoomStatus
from tests.resolvers.test_rooms_refusals import ILLEGAL

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "rooms.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`((?:resolvers|faults)/\w+)(?:::(\w+))?`", PAGE)

    assert named
    missing = [
        (path, name)
        for path, name in named
        if not re.search(rf"def {name or 'test_'}", (ROOT / "tests" / f"{path}.py").read_text(encoding="utf-8"))
    ]
    assert missing == []


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
    """Move, status and code of every cell of the table."""
    table = PAGE.partition("### Illegal moves")[2].partition("| also refused |")[0]
    found = set()
    for line in re.findall(r"^\| `.*$", table, re.MULTILINE):
        moves, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for status, code in zip(RoomStatus, cells, strict=True):
            for move in re.findall(r"`\w+`[^,`]*", moves):
                if code:
                    found.add((move.replace("`", "").strip(), status, code))
    return found
