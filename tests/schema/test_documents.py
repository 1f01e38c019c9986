import pytest
from graphql import GraphQLSyntaxError, build_schema

from schema import documents
from schema.context import WITHIN
from schema.documents import Library

SCHEMA = build_schema("type Query { a: Int }")


def test_text_that_was_parsed_before_is_not_parsed_again() -> None:
    library = Library()

    first = library.get("{ a }", SCHEMA, WITHIN)

    assert library.get("{ a }", SCHEMA, WITHIN) is first
    assert first.errors == []


def test_document_is_kept_with_what_is_wrong_with_it() -> None:
    document = Library().get("{ b }", SCHEMA, WITHIN)

    assert [error.extensions for error in document.errors] == [{"code": "GRAPHQL_VALIDATION_FAILED"}]
    assert document.errors is document.errors


def test_text_that_cannot_be_parsed_is_not_kept() -> None:
    with pytest.raises(GraphQLSyntaxError):
        Library().get("{", SCHEMA, WITHIN)


def test_documents_used_longest_ago_make_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "KEPT_CHARACTERS", 12)
    library = Library()
    first, second = library.get("{ a }", SCHEMA, WITHIN), library.get("{a a}", SCHEMA, WITHIN)
    library.get("{ a }", SCHEMA, WITHIN)

    library.get("{ a}", SCHEMA, WITHIN)

    assert library.get("{ a }", SCHEMA, WITHIN) is first
    assert library.get("{a a}", SCHEMA, WITHIN) is not second


def test_document_too_long_to_keep_is_parsed_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LONGEST_KEPT_CHARACTERS", 4)
    library = Library()

    assert library.get("{ a }", SCHEMA, WITHIN) is not library.get("{ a }", SCHEMA, WITHIN)
