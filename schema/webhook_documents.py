"""Checks the document of a webhook as the subscription that it becomes: one field `events`, valid for its owner."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from graphql import (
    ExecutionResult,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    visit,
)
from graphql.execution import create_source_event_stream

from resolvers import validation
from resolvers.auth import access
from resolvers.auth.access import Caller
from resolvers.event_filters import readable_types, required_read_scopes
from resolvers.webhooks import MAX_DOCUMENT_CHARACTERS, StoredSubscription
from schema.execution.answer_requirements import required_scopes
from schema.execution.context import RequestContext
from schema.execution.documents import Document
from schema.execution.executor import Executor
from schema.execution.preparation import prepare
from storage.errors import Invalid, SwitchboardError

ROOT_FIELD = "events"
#: The arguments of `events` that a webhook sets itself.
RESERVED = ("after", "consumer", "maxInFlight")


async def check(
    context: RequestContext, caller: Caller, *, query: str, operation_name: str | None, variables: object
) -> StoredSubscription:
    """The subscription of a webhook that the caller owns. Its scopes are those that the selected fields need, and those
    with which the caller reads events.

    Raises Invalid if the document is not a valid subscription to `events`, Forbidden if the owner lacks a scope of a
    selected field, and QueryTooComplex. The subscription is begun and ended, which checks its variables and its filter.
    """
    validation.text(query, "query", max_characters=MAX_DOCUMENT_CHARACTERS)
    variables_json = validation.json_text({} if variables is None else variables, "variables")
    if not isinstance(variables, dict | None):
        raise Invalid("variables must be an object.", key="variables")
    resolver_context = replace(context.resolver_context, caller=caller, client_mutation_id=None, ack=None)
    own = RequestContext(resolver_context, context.limits, documents=context.documents)
    assert context.document is not None, "the operation that is executed has a document"
    document = _prepare(query, context.document.schema, own)
    _require_events(document, operation_name)
    document.check(variables or {})
    scopes = _selected_scopes(document)
    access.require(caller, sorted(scopes))
    await _begin(document, own, variables or {}, operation_name)
    for tag in readable_types(caller, None):
        scopes.update(required_read_scopes(tag))
    return StoredSubscription(
        query=query, operation_name=operation_name, variables_json=variables_json, scopes=tuple(sorted(scopes))
    )


def _prepare(query: str, schema: GraphQLSchema, context: RequestContext) -> Document:
    """The document, if it is valid."""
    try:
        document = prepare(query, schema, context)
    except GraphQLSyntaxError as error:
        raise Invalid(f"query is not GraphQL: {error.message}", key="query") from None
    except RecursionError:
        raise Invalid("query is nested too deep.", key="query") from None
    if document.errors:
        raise Invalid(f"query does not fit the schema: {document.errors[0].message}", key="query")
    return document


def _require_events(document: Document, operation_name: str | None) -> None:
    """Raise Invalid unless the operation is a subscription to `events` without reserved arguments."""
    operation = document.operation(operation_name)
    if operation is None:
        raise Invalid("operationName must name an operation of the document, if it has several.", key="operationName")
    selected = operation.selection_set.selections
    if operation.operation is not OperationType.SUBSCRIPTION or len(selected) != 1:
        raise Invalid("query must be a subscription to `events`, and to nothing else.", key="query")
    (field,) = selected
    if not isinstance(field, FieldNode) or field.name.value != ROOT_FIELD:
        raise Invalid("query must be a subscription to `events`, and to nothing else.", key="query")
    for argument in field.arguments or ():
        if argument.name.value in RESERVED:
            raise Invalid(f"query must not have the argument {argument.name.value}: a webhook sets it.", key="query")


async def _begin(
    document: Document, context: RequestContext, variables: Mapping[str, Any], operation_name: str | None
) -> None:
    """Begin the subscription and end it. Raises the error with which it cannot begin."""
    executor = Executor.build(
        document.schema,
        document.node,
        context_value=context,
        raw_variable_values=dict(variables),
        operation_name=operation_name,
    )
    if isinstance(executor, list):
        raise _error(executor[0])
    source: Any = create_source_event_stream(executor)
    if executor.is_awaitable(source):
        source = await source
    if isinstance(source, ExecutionResult):
        raise _error((source.errors or [])[0])
    await source.aclose()


def _error(error: GraphQLError) -> SwitchboardError:
    original = error.original_error
    return original if isinstance(original, SwitchboardError) else Invalid(error.message, key="variables")


def _selected_scopes(document: Document) -> set[str]:
    """The scopes that the fields of the document need."""
    types = TypeInfo(document.schema)
    visitor = _ScopeVisitor(types)
    visit(document.node, TypeInfoVisitor(types, visitor))
    return visitor.scopes


class _ScopeVisitor(Visitor):
    """Collects the scopes of the fields that a document selects."""

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self._types = types
        self.scopes: set[str] = set()

    def enter_field(self, *_: object) -> None:
        field = self._types.get_field_def()
        if field is not None:
            self.scopes.update(required_scopes(field))
