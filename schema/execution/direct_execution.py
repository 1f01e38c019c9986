"""Executes an operation without graphql-core if all goes well: a query, or a mutation with one field at its root.

The root fields are compiled like all others. If one of them raises, or a value cannot be serialized, graphql-core
executes the operation and reports the errors. It gets what the root resolvers returned or raised (`RootOutcomes`), so
that none is called twice.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from graphql import MiddlewareManager, OperationDefinitionNode, OperationType
from typing_extensions import override

from schema.execution.context import RequestContext
from schema.execution.documents import Document
from schema.execution.field_writers import AWAITABLE, FieldWriter, MethodWriter
from schema.execution.selection_execution import Execution, Row
from schema.execution.visitor_fields import is_visitor

#: What the root resolvers returned, or the exceptions that they raised, by response name.
RootOutcomes: TypeAlias = dict[str, Any]


async def execute_directly(
    document: Document, operation: OperationDefinitionNode, variables: Mapping[str, Any], context: RequestContext
) -> Row | None:
    """The data of the operation, or None if graphql-core has to execute it.

    The outcomes of root resolvers that were called are in `context.root_outcomes`.
    """
    if operation.directives:
        return None
    coerced = document.variable_values(operation, variables)
    if coerced is None:
        return None
    compiled = document.compiled_selections(coerced.coerced, visitors=is_visitor(context))
    writers = compiled.for_root(operation)
    if writers is None or (operation.operation is OperationType.MUTATION and len(writers) > 1):
        return None
    execution = Execution(context, coerced, reference_revision=context.reference_revision)
    outcomes = context.root_outcomes = await _resolve(writers, execution)
    if any(isinstance(outcome, Exception) for outcome in outcomes.values()):
        return None
    row: Row = {}
    try:
        for writer in writers:
            row[writer.name] = writer.serialize(outcomes[writer.name], execution)
        if not execution.is_complete:
            await execution.await_pending()
    except Exception:
        execution.cancel()
        return None
    return row


async def _resolve(writers: list[FieldWriter], execution: Execution) -> RootOutcomes:
    if len(writers) == 1:
        return {writers[0].name: await _outcome(writers[0], execution)}
    outcomes = await asyncio.gather(*(_outcome(writer, execution) for writer in writers))
    return {writer.name: outcome for writer, outcome in zip(writers, outcomes, strict=True)}


async def _outcome(writer: FieldWriter, execution: Execution) -> Any:
    """What the resolver of a root field returns, or the exception that it raises."""
    if not isinstance(writer, MethodWriter):  # __typename
        return writer.object()
    try:
        value = writer.method(None, **execution.arguments_for(writer))
        return await value if isinstance(value, AWAITABLE) else value
    except Exception as error:
        return error


class KnownOutcomes(MiddlewareManager):
    """Replaces the resolvers of root fields that were called."""

    def __init__(self, outcomes: RootOutcomes) -> None:
        super().__init__()
        self._outcomes = outcomes

    @override
    def get_field_resolver(self, resolver: Callable[..., Any]) -> Callable[..., Any]:
        def resolve(source: Any, info: Any, **arguments: Any) -> Any:
            if info.path.prev is not None or info.path.key not in self._outcomes:
                return resolver(source, info, **arguments)
            outcome = self._outcomes[info.path.key]
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        return resolve
