import re
from pathlib import Path

from storage.indexes import INDEXES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "indexes.md"
ROW = re.compile(r"\| ([a-z_, ]+) \| `(\w+)` \| ([^|]+) \| [^|]+ \|")


def documented() -> dict[tuple[str, str], tuple[list[str], bool]]:
    """What the page says of every index: its keys in order, and whether it is unique."""
    rows = [match.groups() for line in PAGE.read_text(encoding="utf-8").splitlines() if (match := ROW.match(line))]
    return {
        (collection, name): (re.findall(r"`([^`]+)`", on), "unique" in on)
        for collections, name, on in rows
        for collection in collections.split(", ")
    }


def test_every_index_is_explained_and_no_other() -> None:
    made = {
        (collection, str(index.document["name"])): (
            [f"-{path}" if direction == -1 else path for path, direction in index.document["key"].items()],
            bool(index.document.get("unique")),
        )
        for collection, indexes in INDEXES.items()
        for index in indexes
    }

    assert documented() == made
