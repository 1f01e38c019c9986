"""Documents are parsed once, counted and released."""

import gc
from collections.abc import Iterator
from typing import Any
from weakref import ref

import pytest
from graphql import (
    DocumentNode,
    GraphQLObjectType,
    GraphQLSyntaxError,
    Lexer,
    OperationDefinitionNode,
    Source,
    TokenKind,
    build_schema,
    get_introspection_query,
    parse,
)

from resolvers.context import Context
from schema.execution import parsing
from schema.execution.context import RequestContext
from schema.execution.cost_limits import DEFAULT_LIMITS, Limits
from schema.execution.documents import MAX_ERRORS, Document
from schema.execution.parsing import count_tokens, parse_within
from schema.execution.selection_compiler import CompiledSelections
from schema.schema import schema
from storage.errors import QueryTooComplex

SCHEMA = build_schema("type Query { a: Int }")


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were parsed."""
    texts: list[str] = []

    def counting(text: str, **options: Any) -> DocumentNode:
        texts.append(text)
        return parse(text, **options)

    monkeypatch.setattr(parsing, "parse", counting)
    return texts


@pytest.fixture
def no_garbage_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_query_is_recognized_among_other_operations() -> None:
    document = Document("query Q { a } mutation M { a }", SCHEMA, DEFAULT_LIMITS)

    assert [document.is_query(name) for name in ("Q", "M", "unknown", None)] == [True, False, True, True]


@pytest.mark.parametrize("unknown", [1, 5, 6, 50])
def test_at_most_five_errors_are_returned(unknown: int) -> None:
    document = Document("{ " + " ".join(f"b{number}" for number in range(unknown)) + " }", SCHEMA, DEFAULT_LIMITS)

    assert [error.message for error in document.errors] == [
        f"Cannot query field 'b{number}' on type 'Query'." for number in range(min(unknown, MAX_ERRORS))
    ]
    assert MAX_ERRORS == 5


# ---------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    "text",
    [
        "{ a }",
        "{a(b:[1,-2.5e+3,$c,true,null],d:{e:F})...@x{g}&h|i=!:}",
        '{ a(b: "c # \\" {") # d " {\n e: f }',
        '{ a(b: """c " "" \\""" d\n # { """, e: "") }',
        "\ufeff{ a,, ,b\r\n\tc }",
        get_introspection_query(),
    ],
)
def test_tokens_are_counted_as_graphql_core_reads_them(text: str) -> None:
    lexer, read = Lexer(Source(text)), 0
    while lexer.advance().kind is not TokenKind.EOF:
        read += 1

    assert count_tokens(text, most=10_000) == read
    assert count_tokens(text, most=read - 1) == read


@pytest.mark.parametrize("text", ['"""' + '\\"""' * 30_000, '"' + "\\" * 99_999, "#" * 100_000, '"' * 99_999, "-" * 9])
def test_text_of_any_form_is_counted_in_one_pass(text: str) -> None:
    assert count_tokens(text, most=1_000_000) <= 50_000


@pytest.mark.parametrize(
    ("text", "limits", "message"),
    [
        ("{ a }" + " " * 96, Limits(characters=100), "The document has 101 characters; the maximum is 100."),
        ("{" + " a" * 9 + "}", Limits(tokens=10), "The document has more than 10 tokens, which is the maximum."),
    ],
)
def test_text_beyond_the_limits_is_not_parsed(text: str, limits: Limits, message: str, parsed: list[str]) -> None:
    with pytest.raises(QueryTooComplex) as caught:
        parse_within(text, limits)

    assert caught.value.message == message
    assert parsed == []


# ---------------------------------------------------------------- once


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"{{ __typename }} #{'x' * 60_000}", None),
        ("{ __typename", "GRAPHQL_PARSE_FAILED"),
        ("{ __typename unknown }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { events { id } }", "UNAUTHENTICATED"),
    ],
)
async def test_text_is_parsed_once_for_an_operation(text: str, code: str | None, parsed: list[str]) -> None:
    context = RequestContext(Context(services=None))  # type: ignore[arg-type]
    text = f"# {code}\n{text}"

    schema.is_query(text, None, context)
    schema.is_subscription(text, None, context)
    results = [result async for result in await schema.stream(text, context_value=context)]

    assert parsed == [text]
    assert [[error.formatted["extensions"]["code"] for error in result.errors or []] for result in results] == [
        [] if code is None else [code]
    ]


async def test_context_keeps_the_document_of_its_own_operation(parsed: list[str]) -> None:
    context = RequestContext(Context(services=None))  # type: ignore[arg-type]
    own, other = "# own\n{ __typename }", "# other\nsubscription { events { id } }"
    schema.is_subscription(own, None, context)

    assert schema.is_subscription(other, None, context)

    assert not schema.is_subscription(own, None, context)
    assert context.document is not None
    assert context.document.usage.text == own
    assert parsed == [own, other]


def test_text_that_cannot_be_parsed_is_refused() -> None:
    with pytest.raises(GraphQLSyntaxError):
        Document("{", SCHEMA, DEFAULT_LIMITS)


# ---------------------------------------------------------------- memory


@pytest.mark.usefixtures("no_garbage_collector")
def test_document_with_its_selections_is_freed_with_its_last_reference() -> None:
    document = Document("{ rooms { nodes { id visitor { id } } } }", schema._schema, DEFAULT_LIMITS)
    selections = document.compiled_selections({})
    kind = schema._schema.type_map["Room"]
    node = document.node.definitions[0]
    assert isinstance(kind, GraphQLObjectType)
    assert isinstance(node, OperationDefinitionNode)
    serialize = selections.for_type(kind, (parse("{ id visitor { id } }").definitions[0].selection_set,))  # type: ignore[attr-defined]
    assert serialize is not None
    alive: list[ref[Any]] = [ref(document), ref(document.node), ref(node), ref(selections), ref(serialize)]

    del document, selections, node, serialize

    assert [one() for one in alive] == [None] * 5


def test_selections_count_as_memory_of_their_document() -> None:
    document = Document("{ a }", schema._schema, DEFAULT_LIMITS)
    before = document.usage.bytes
    kind = schema._schema.type_map["Role"]
    assert isinstance(kind, GraphQLObjectType)
    plans: CompiledSelections = document.compiled_selections({})
    selections = [parse(f"{{ {names} }}").definitions[0] for names in ("id", "id name")]

    counted = []
    for one in selections:
        assert isinstance(one, OperationDefinitionNode)
        plans.for_type(kind, (one.selection_set,))
        plans.for_type(kind, (one.selection_set,))
        counted.append(document.usage.bytes)

    assert before < counted[0] < counted[1]
