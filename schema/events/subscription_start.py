"""Starts a subscription: calls the resolver of its root field.

If all goes well, graphql-core is not needed: its executor takes as long as everything else together. It starts the
subscriptions whose root field cannot be compiled, and reports the errors.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from graphql import ExecutionResult as CoreResult
from graphql import GraphQLError, located_error
from graphql.execution import create_source_event_stream
from graphql.execution.collect_fields import FieldDetails, collect_fields
from graphql.execution.values import VariableValues

from schema.execution.context import RequestContext
from schema.execution.documents import Document
from schema.execution.executor import Executor, subselections
from schema.execution.field_writers import MethodWriter
from schema.execution.selection_compiler import CannotCompile, CompiledSelections
from schema.execution.selection_execution import Execution
from schema.execution.value_serializers import Serializer
from schema.execution.visitor_fields import is_visitor


class RootField(NamedTuple):
    """The root field of a subscription, and what makes results of its values."""

    #: Its name in results.
    name: str
    #: The serializer of its values. None if they cannot be compiled.
    serializer: Serializer | None
    #: What serializers refer to weakly.
    compiled: CompiledSelections
    variables: VariableValues
    #: Makes an executor, for results with errors.
    build: Callable[[], Any]


class Subscription(NamedTuple):
    """A subscription that has started."""

    root: RootField
    #: What the resolver returned: an asynchronous iterator.
    source: Any


async def start(
    document: Document, context: RequestContext, variables: Mapping[str, Any] | None, operation_name: str | None
) -> Subscription | list[GraphQLError]:
    """Call the resolver of the root field. Returns errors if the subscription cannot begin."""
    given = dict(variables or {})
    build = partial(
        Executor.build,
        document.schema,
        document.node,
        context_value=context,
        raw_variable_values=given,
        operation_name=operation_name,
    )
    root = compiled_root(document, context, given, operation_name, build)
    if root is None:
        return await _start_by_core(build)
    field, writer = root
    try:
        arguments = writer.arguments(Execution(context, field.variables))
    except Exception:
        return await _start_by_core(build)
    try:
        return Subscription(field, await writer.method(None, **arguments))
    except Exception as error:
        executor = build()
        name, details = root_field(executor)
        return [located_error(error, [one.node for one in details], [name])]


def compiled_root(
    document: Document,
    context: RequestContext,
    variables: dict[str, Any],
    operation_name: str | None,
    build: Callable[[], Any],
) -> tuple[RootField, MethodWriter] | None:
    """The root field and its writer. None if graphql-core has to start the subscription."""
    operation = document.operation(operation_name)
    if operation is None or operation.directives:
        return None
    coerced = document.variable_values(operation, variables)
    if coerced is None:
        return None
    compiled = document.compiled_selections(coerced.coerced, visitors=is_visitor(context))
    match compiled.for_root(operation):
        case [MethodWriter() as writer]:
            return RootField(writer.name, writer.serializer, compiled, coerced, build), writer
    return None


async def _start_by_core(build: Callable[[], Any]) -> Subscription | list[GraphQLError]:
    executor = build()
    if isinstance(executor, list):
        return executor
    assert isinstance(executor, Executor)
    source: Any = create_source_event_stream(executor)
    if executor.is_awaitable(source):
        source = await source
    if isinstance(source, CoreResult):
        return source.errors or []
    name, details = root_field(executor)
    serializer = None
    root = executor.schema.subscription_type
    assert root is not None
    try:
        kind = root.fields[details[0].node.name.value].type
        serializer = executor.compiled.serializer(kind, subselections(details))
    except CannotCompile:
        pass
    return Subscription(RootField(name, serializer, executor.compiled, executor.variable_values, build), source)


def root_field(executor: Executor) -> tuple[str, list[FieldDetails]]:
    """The name of the root field in results, and its nodes."""
    root = executor.schema.subscription_type
    assert root is not None
    fields = collect_fields(
        executor.schema,
        executor.fragments,
        executor.variable_values,
        root,
        executor.operation,
        executor.hide_suggestions,
    ).grouped_field_set
    ((name, details),) = fields.items()
    return name, details
