import pytest
from graphql import GraphQLObjectType, GraphQLSyntaxError, OperationDefinitionNode, build_schema, parse

from schema import documents
from schema.context import WITHIN
from schema.documents import Library
from schema.plans import OWN_WEIGHT, Plans, Shelf
from schema.schema import schema

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


def test_operation_that_only_reads_is_known_whatever_stands_beside_it() -> None:
    document = Library().get("query Q { a } mutation M { a }", SCHEMA, WITHIN)

    assert [document.only_reads(name) for name in ("Q", "M", "unknown", None)] == [True, False, True, True]


def test_plans_that_are_too_many_together_are_made_anew() -> None:
    shelf = Shelf(most=30)
    kind = schema._schema.type_map["Role"]
    assert isinstance(kind, GraphQLObjectType)
    document = parse("{ id name }").definitions[0]
    assert isinstance(document, OperationDefinitionNode)
    made = [Plans(schema._schema, {}, {}, shelf) for _ in range(9)]

    for one in made:
        one.of(kind, (document.selection_set,))

    each = OWN_WEIGHT + 2
    assert shelf.weight == 30 // each * each
    assert [len(one._plans) for one in made] == [0] * (9 - 30 // each) + [1] * (30 // each)
    shelf.remove(made[-1])
    assert shelf.weight == (30 // each - 1) * each


def test_document_too_long_to_keep_is_parsed_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LONGEST_KEPT_CHARACTERS", 4)
    library = Library()

    assert library.get("{ a }", SCHEMA, WITHIN) is not library.get("{ a }", SCHEMA, WITHIN)
