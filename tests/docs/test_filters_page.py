"""reference/filters.md has the operators and limits of the code."""

import re
from pathlib import Path

from resolvers.custom_fields.filter_binding import MAX_CONDITIONS, MAX_DEPTH, MAX_VALUES, OPERATORS
from resolvers.custom_fields.values import MAX_TEXT_CHARACTERS
from storage.filters.expressions import Operator
from storage.records import FieldType

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "filters.md").read_text(encoding="utf-8")


def snake_case(name: str) -> str:
    return re.sub("([A-Z])", r"_\1", name).upper()


def test_table_of_operators_is_right() -> None:
    table = PAGE.partition("## Custom fields")[2].partition("###")[0]
    header, _, *rows = [line for line in table.splitlines() if line.startswith("|")]
    columns = [re.findall(r"`(\w+)`", cell) for cell in header.strip("|").split("|")[1:]]

    shown = {}
    for row in rows:
        kind, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        shown[FieldType(kind.strip("`"))] = {
            Operator[snake_case(name)] for names, cell in zip(columns, cells, strict=True) if cell for name in names
        }

    assert shown == OPERATORS


def test_limits_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())

    assert f"nest at most {MAX_DEPTH} deep; a filter has at most {MAX_CONDITIONS} conditions" in text
    assert f"take at most {MAX_VALUES} values; a text has at most {MAX_TEXT_CHARACTERS:,} characters" in text
