from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

ROOT = Path(__file__).parents[2]
SCHEMA = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.graphql")), ids=lambda path: path.name)
def test_document_is_valid_against_the_exported_schema(path: Path) -> None:
    document = parse(path.read_text(encoding="utf-8"))

    assert [error.message for error in validate(SCHEMA, document)] == []
