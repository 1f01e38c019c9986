import re
from pathlib import Path

from graphql import parse, validate

from schema.schema import schema
from server.graphql import endpoint

PAGE = Path(endpoint.GRAPHIQL).read_text(encoding="utf-8")


def test_example_is_valid_against_the_schema() -> None:
    example = re.search(r"const EXAMPLE = `(.*?)`;", PAGE, re.DOTALL)
    assert example is not None

    assert validate(schema._schema, parse(example.group(1))) == []


def test_external_resources_are_pinned_with_hashes() -> None:
    elsewhere = re.findall(r"<(?:script|link)\b[^>]*https://[^>]*>", PAGE)

    assert len(elsewhere) == 4
    for element in elsewhere:
        assert re.search(r"@\d+\.\d+\.\d+/", element)
        assert 'integrity="sha384-' in element
