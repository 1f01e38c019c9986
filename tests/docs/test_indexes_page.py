import re
from pathlib import Path

from storage.mongo.indexes import INDEXES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "indexes.md"


def test_page_lists_every_index_with_its_keys() -> None:
    rows = re.findall(r"^\| ([\w, ]+) \| `(\w+)` \| ([^|]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    listed = {
        (collection, name, tuple(re.findall(r"`([^`]+)`", keys)))
        for collections, name, keys in rows
        for collection in collections.split(", ")
    }

    declared = {
        (
            collection,
            index.document["name"],
            tuple(f"{'-' * (way < 0)}{path}" for path, way in index.document["key"].items()),
        )
        for collection, indexes in INDEXES.items()
        for index in indexes
    }
    assert listed == declared
