"""Documents are cached within one byte budget, and evicted documents are freed."""

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from graphql import GraphQLObjectType, OperationDefinitionNode, build_schema, get_introspection_query

from resolvers.auth.access import ANONYMOUS, Caller
from resolvers.context import Context
from schema.execution import preparation
from schema.execution.context import RequestContext
from schema.execution.cost_limits import DEFAULT_LIMITS, Limits
from schema.execution.document_cache import BUDGET_BYTES, DocumentCache
from schema.execution.documents import Document
from schema.schema import schema
from storage.records import Actor, ActorType

SCHEMA = build_schema("type Query { a: Int }")
MIB = 1024 * 1024
APP = Caller(actor=Actor(type=ActorType.APP, id="app", name="App"), scopes=frozenset({"admin"}))
#: The counted bytes of a document with a text of this length.
ONE = DocumentCache().get("{ a } #0", SCHEMA, DEFAULT_LIMITS).usage.bytes


@pytest.fixture
def cache() -> DocumentCache:
    """The cache that operations of this test use."""
    return DocumentCache(MIB)


#: What the driver and the event loop of other tests allocate meanwhile does not count.
ELSEWHERE = [
    tracemalloc.Filter(inclusive=False, filename_pattern=f"*/{package}/*")
    for package in ("pymongo", "motor", "bson", "asyncio", "concurrent", "logging")
]


@pytest.fixture
def allocated() -> Iterator[Callable[[], int]]:
    """A function that returns the bytes that were allocated since the start of the test."""
    assert Document("{ __typename }", schema._schema, DEFAULT_LIMITS).errors == []  # allocates what all documents share
    gc.collect()
    tracemalloc.start()

    def measure() -> int:
        gc.collect()
        own = tracemalloc.take_snapshot().filter_traces(ELSEWHERE)
        return sum(trace.size for trace in own.traces)

    yield measure
    tracemalloc.stop()


def test_text_that_was_parsed_before_is_not_parsed_again() -> None:
    cache = DocumentCache()

    first = cache.get("{ a }", SCHEMA, DEFAULT_LIMITS)

    assert cache.get("{ a }", SCHEMA, DEFAULT_LIMITS) is first
    assert first.errors is cache.get("{ a }", SCHEMA, DEFAULT_LIMITS).errors
    assert cache.bytes == first.usage.bytes


def test_document_with_other_limits_replaces_the_cached_one() -> None:
    cache = DocumentCache()
    first = cache.get("{ a }", SCHEMA, DEFAULT_LIMITS)

    other = cache.get("{ a }", SCHEMA, Limits(introspection=False))

    assert other is not first
    assert (len(cache), cache.bytes) == (1, other.usage.bytes)


def test_least_recently_used_document_is_evicted() -> None:
    cache = DocumentCache(4 * ONE)
    first, second, *_ = (cache.get(f"{{ a }} #{number}", SCHEMA, DEFAULT_LIMITS) for number in range(3))
    cache.get("{ a } #0", SCHEMA, DEFAULT_LIMITS)

    cache.get("{ a } #3", SCHEMA, DEFAULT_LIMITS)
    cache.get("{ a } #4", SCHEMA, DEFAULT_LIMITS)

    assert cache.get("{ a } #0", SCHEMA, DEFAULT_LIMITS) is first
    assert cache.get("{ a } #1", SCHEMA, DEFAULT_LIMITS) is not second
    assert cache.bytes <= 4 * ONE


def test_document_larger_than_a_quarter_of_the_budget_is_not_cached() -> None:
    cache = DocumentCache(4 * ONE - 1)

    assert cache.get("{ a } #0", SCHEMA, DEFAULT_LIMITS) is not cache.get("{ a } #0", SCHEMA, DEFAULT_LIMITS)
    assert (len(cache), cache.bytes) == (0, 0)


def test_document_that_grows_evicts_others_and_then_itself() -> None:
    cache = DocumentCache(8 * ONE)
    growing = cache.get("{ a } #0", SCHEMA, DEFAULT_LIMITS)
    for number in range(6):
        cache.get(f"{{ a }} #{number + 1}", SCHEMA, DEFAULT_LIMITS)
    before = len(cache)

    growing.usage.add(ONE - 100)
    cache.get("{ a } #0", SCHEMA, DEFAULT_LIMITS)
    growing.usage.add(99)

    assert len(cache) == before
    assert cache.get("{ a } #0", SCHEMA, DEFAULT_LIMITS) is growing
    growing.usage.add(2)
    assert cache.get("{ a } #0", SCHEMA, DEFAULT_LIMITS) is not growing
    assert cache.bytes <= 8 * ONE


def test_evicted_document_is_no_longer_counted() -> None:
    cache = DocumentCache(4 * ONE - 1)
    document = cache.get("{ a } #0", SCHEMA, DEFAULT_LIMITS)

    document.usage.add(1_000)

    assert cache.bytes == 0


# ---------------------------------------------------------------- against what is measured


def fields(number: int) -> str:
    return "{ " + " ".join(f"a{field}: __typename" for field in range(number)) + " }"


#: How many documents are measured together.
DOCUMENTS = 2
#: What graphql-core keeps of the validation before.
ELSEWHERE_BYTES = 100_000


@pytest.mark.parametrize(
    "text",
    [
        fields(1),
        fields(600),
        "{ " + " ".join(f"f{number}" for number in range(4_900)) + " }",
        "{ a(b: [" + "1 " * 4_900 + "]) }",
        '{ a(b: "' + "x" * 90_000 + '") }',
        '{ a(b: "' + "\U0001f600" * 90_000 + '") }',
        "{ a" * 100 + "}" * 100,
        "{ a }" + " " * 90_000,
    ],
)
def test_document_uses_no_more_memory_than_is_counted(text: str, allocated: Callable[[], int]) -> None:
    # Several texts of their own, as they come with requests: what else the process allocates meanwhile weighs less.
    texts = [text + " " * number for number in range(1, DOCUMENTS + 1)]

    documents = [Document(text, schema._schema, DEFAULT_LIMITS) for text in texts]
    assert all(document.errors is document.errors for document in documents)

    assert allocated() <= sum(document.usage.bytes for document in documents) + ELSEWHERE_BYTES


def compile_nodes(document: Document, kind: GraphQLObjectType) -> None:
    operation = document.node.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    rooms: Any = operation.selection_set.selections[0]
    selections = rooms.selection_set.selections[0].selection_set
    assert document.compiled_selections({}).for_type(kind, (selections,)) is not None


@pytest.mark.parametrize("field", ["subject", "status", "visitor { id }", "messages(first: 3) { totalCount }"])
@pytest.mark.parametrize("number", [1, 40])
def test_compiled_selections_use_no_more_memory_than_is_counted(
    field: str, number: int, allocated: Callable[[], int]
) -> None:
    kind = schema._schema.type_map["Room"]
    assert isinstance(kind, GraphQLObjectType)
    fields = " ".join(f"a{one}: {field}" for one in range(number))

    documents = [
        Document(f"{{ rooms {{ nodes {{ {fields} }} }} }}" + " " * one, schema._schema, DEFAULT_LIMITS)
        for one in range(DOCUMENTS)
    ]
    for document in documents:
        compile_nodes(document, kind)

    assert allocated() <= sum(document.usage.bytes for document in documents) + ELSEWHERE_BYTES


async def test_cached_introspection_uses_no_more_memory_than_is_counted(
    cache: DocumentCache, allocated: Callable[[], int]
) -> None:
    context = RequestContext(Context(services=None), Limits(), documents=cache)  # type: ignore[arg-type]
    text = get_introspection_query()
    operation = preparation.prepare(text, schema._schema, context)
    before = operation.usage.bytes

    result = await schema.execute(text, context_value=context)

    assert result.errors is None
    assert operation.usage.bytes - before > MIB
    del result, context
    assert allocated() <= operation.usage.bytes


# ---------------------------------------------------------------- ever-new documents

CALLERS = pytest.mark.parametrize("caller", [ANONYMOUS, APP], ids=["anonymous", "with a token"])


def context_of(caller: Caller, cache: DocumentCache) -> RequestContext:
    return RequestContext(Context(services=None, caller=caller), DEFAULT_LIMITS, documents=cache)  # type: ignore[arg-type]


async def ask(caller: Caller, cache: DocumentCache, text: str) -> None:
    context = context_of(caller, cache)
    result = await schema.execute(text, context_value=context)
    assert result.errors is None


async def test_memory_is_flat_over_thousands_of_distinct_documents(cache: DocumentCache) -> None:
    """All are parsed, weighed and planned, and one in five is validated and executed too."""
    kind = schema._schema.type_map["Role"]
    assert isinstance(kind, GraphQLObjectType)

    async def use(number: int) -> None:
        caller = (ANONYMOUS, APP)[number % 2]
        if number % 10 < 2:
            await ask(caller, cache, f"{{ t{number}: __typename }}")
        context = context_of(caller, cache)
        document = preparation.prepare(f"{{ r{number}: roles {{ id }} }}", schema._schema, context)
        document.check({})
        (operation,) = document.node.definitions
        assert isinstance(operation, OperationDefinitionNode)
        roles: Any = operation.selection_set.selections[0]
        assert document.compiled_selections({}).for_type(kind, (roles.selection_set,)) is not None

    for number in range(1_000):
        await use(number)
    gc.collect()
    warm = sys.getallocatedblocks()
    for number in range(1_000, 4_000):
        await use(number)

    gc.collect()
    assert sys.getallocatedblocks() < warm + 2_000  # one document is some hundred blocks
    assert 0 < cache.bytes <= MIB


@CALLERS
async def test_large_documents_are_freed(caller: Caller, cache: DocumentCache, allocated: Callable[[], int]) -> None:
    async def ask_much(number: int) -> None:
        inner = " ".join(f"a{field}: name" for field in range(30))
        await ask(caller, cache, f'{{ t{number}: __type(name: "Room") {{ {inner} }} }} #{"x" * 60_000}')

    for number in range(5):
        await ask_much(number)
    warm = allocated()
    for number in range(5, 15):
        await ask_much(number)

    assert allocated() < warm + MIB / 2
    assert cache.bytes <= MIB


def test_budget_holds_the_largest_document_of_the_default_limits() -> None:
    document = DocumentCache().get(
        "{ " + " ".join(f"f{number}" for number in range(4_990)) + " }", SCHEMA, DEFAULT_LIMITS
    )

    assert document.usage.cached
    assert document.usage.bytes < BUDGET_BYTES / 4
