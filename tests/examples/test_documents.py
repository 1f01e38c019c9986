import re
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

ROOT = Path(__file__).parents[2]
#: The configuration of editors: the paths of the schema and of the documents.
CONFIG = dict(re.findall(r"^(\w+): (.+)$", (ROOT / "graphql.config.yml").read_text(encoding="utf-8"), re.MULTILINE))
SCHEMA = build_schema((ROOT / CONFIG["schema"]).read_text(encoding="utf-8"))
DOCUMENTS = sorted(ROOT.glob(CONFIG["documents"]))


def test_editor_configuration_lists_the_documents_of_every_example() -> None:
    loaded = {path.with_suffix(".graphql") for path in (ROOT / "examples").glob("*.py")}

    assert [path.stem for path in DOCUMENTS] == ["external_routing", "watch"]
    assert set(DOCUMENTS) <= loaded


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_document_is_valid_against_the_exported_schema(path: Path) -> None:
    document = parse(path.read_text(encoding="utf-8"))

    assert [error.message for error in validate(SCHEMA, document)] == []
