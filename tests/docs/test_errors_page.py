import re
from collections.abc import Iterator
from pathlib import Path

from schema.base.errors import INTERNAL, PARSE_FAILED, PERSISTED_QUERY_NOT_SUPPORTED, VALIDATION_FAILED
from storage.errors import SwitchboardError

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


def codes(root: type[SwitchboardError]) -> Iterator[str]:
    """The codes of a class and all that are made from it, but for those that only inherit one."""
    if "code" in vars(root):
        yield root.code
    for kind in root.__subclasses__():
        yield from codes(kind)


def rows() -> list[list[str]]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| `[A-Z_]+` \|", line)
    ]


def test_every_code_has_one_row() -> None:
    listed = [row[0].strip("`") for row in rows()]

    of_graphql = {INTERNAL, PARSE_FAILED, PERSISTED_QUERY_NOT_SUPPORTED, VALIDATION_FAILED}
    assert sorted(listed) == sorted({*codes(SwitchboardError), *of_graphql})


def test_every_row_names_a_cause_and_a_remedy() -> None:
    assert [row[0] for row in rows() if len(row) != 4 or not row[2].endswith(".") or not row[3].endswith(".")] == []
