"""Operations that are executed without graphql-core have the results that it gives, and call each resolver once."""

from typing import Any, cast

import pytest
import strawberry

from resolvers.context import Context
from schema.execution.context import RequestContext
from schema.execution.document_cache import DocumentCache
from schema.execution.executor import Executor
from schema.execution.preparation import Documents
from schema.schema import Schema
from storage.errors import Invalid

calls: list[str] = []


@strawberry.type
class Thing:
    name: str

    @strawberry.field
    async def later(self) -> str:
        return f"later {self.name}"


@strawberry.type
class Query:
    @strawberry.field
    async def thing(self, name: str | None = None, repeat: int = 1) -> Thing | None:
        calls.append(f"thing {name}")
        if name == "refused":
            raise Invalid("No such thing.", key="name")
        return Thing(name=cast(str, name and name * repeat))

    @strawberry.field
    def plain(self) -> int:
        calls.append("plain")
        return 1


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def change(self, name: str) -> Thing | None:
        calls.append(f"change {name}")
        return Thing(name=name)


THINGS = Schema(Query, Mutation, extensions=[Documents], execution_context_class=Executor)


class Executed:
    """An execution: its result, the resolvers that were called, and whether graphql-core executed it."""

    def __init__(self, result: Any, called: list[str], *, directly: bool) -> None:
        self.data = result.data
        self.errors = [(error.message, error.path, error.extensions["code"]) for error in result.errors or ()]
        self.called = called
        self.directly = directly


async def executed(query: str, monkeypatch: pytest.MonkeyPatch, **variables: object) -> Executed:
    built: list[object] = []
    build = Executor.build

    def counted(*args: Any, **kwargs: Any) -> Any:
        built.append(args)
        return build(*args, **kwargs)

    monkeypatch.setattr(Executor, "build", counted)
    calls.clear()
    context = RequestContext(Context(services=None), documents=DocumentCache())  # type: ignore[arg-type]
    result = await THINGS.execute(query, variable_values=variables, context_value=context)
    return Executed(result, list(calls), directly=not built)


async def test_query_without_an_error_is_executed_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    found = await executed(
        "query($n: String, $r: Int = 2) { __typename a: thing(name: $n, repeat: $r) { later name } plain }",
        monkeypatch,
        n="x",
    )
    assert found.data == {"__typename": "Query", "a": {"later": "later xx", "name": "xx"}, "plain": 1}
    assert list(found.data) == ["__typename", "a", "plain"]
    assert list(found.data["a"]) == ["later", "name"]
    assert (found.errors, found.called, found.directly) == ([], ["thing x", "plain"], True)


async def test_refused_field_is_null_with_its_error_and_every_resolver_is_called_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = await executed('{ a: thing(name: "refused") { name } b: thing(name: "b") { name } }', monkeypatch)
    assert found.data == {"a": None, "b": {"name": "b"}}
    assert found.errors == [("No such thing.", ["a"], "INVALID_INPUT")]
    assert (found.called, found.directly) == (["thing refused", "thing b"], False)


async def test_value_that_cannot_be_serialized_is_an_error_and_its_resolver_is_called_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = await executed("{ thing { name } }", monkeypatch)
    assert found.data == {"thing": None}
    assert [(path, code) for _, path, code in found.errors] == [(["thing", "name"], "INTERNAL")]
    assert (found.called, found.directly) == (["thing None"], False)


async def test_skipped_fields_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    query = 'query($s: Boolean!) { plain @skip(if: $s) thing(name: "t") @include(if: $s) { name } }'
    assert (await executed(query, monkeypatch, s=True)).data == {"thing": {"name": "t"}}
    found = await executed(query, monkeypatch, s=False)
    assert (found.data, found.called) == ({"plain": 1}, ["plain"])


async def test_wrong_variable_is_an_error_and_no_resolver_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    found = await executed("query($r: Int!) { thing(repeat: $r) { name } }", monkeypatch, r="x")
    assert [code for _, _, code in found.errors] == ["INVALID_INPUT"]
    assert (found.data, found.called) == (None, [])


async def test_mutation_with_one_field_is_executed_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    found = await executed('mutation { change(name: "a") { name later } }', monkeypatch)
    assert found.data == {"change": {"name": "a", "later": "later a"}}
    assert (found.called, found.directly) == (["change a"], True)


async def test_mutations_of_one_operation_are_executed_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    found = await executed('mutation { b: change(name: "b") { name } a: change(name: "a") { name } }', monkeypatch)
    assert found.data == {"b": {"name": "b"}, "a": {"name": "a"}}
    assert (found.called, found.directly) == (["change b", "change a"], False)


async def test_named_operation_of_several_is_executed() -> None:
    context = RequestContext(Context(services=None), documents=DocumentCache())  # type: ignore[arg-type]
    result = await THINGS.execute(
        "query a { plain } query b { other: plain }", context_value=context, operation_name="b"
    )
    assert (result.data, result.errors) == ({"other": 1}, None)
