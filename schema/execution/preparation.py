"""How an operation's text becomes a document that can be executed: parsed once, checked against the limits, validated.

Whoever needs the document of an operation (to know whether it only reads, whether it subscribes, to execute it) asks
here. The first who asks has it parsed.
"""

from collections.abc import Iterator

from graphql import GraphQLError, GraphQLSchema, GraphQLSyntaxError
from strawberry.extensions import SchemaExtension
from typing_extensions import override

from schema.base.errors import mark_validation_errors
from schema.execution.context import DEFAULT_LIMITS, RequestContext
from schema.execution.document_cache import DocumentCache
from schema.execution.documents import Document
from storage.errors import QueryTooComplex

#: The documents of this process.
CACHE = DocumentCache()
#: What a text is refused with.
REFUSALS = (QueryTooComplex, GraphQLSyntaxError, RecursionError)


def prepare(text: str, schema: GraphQLSchema, context: object) -> Document:
    """The document of the operation that runs with this context. Raises one of REFUSALS.

    Parsed, or refused, once for each operation, however often it is asked for.
    """
    if not isinstance(context, RequestContext):
        return CACHE.get(text, schema, DEFAULT_LIMITS)
    if context.prepared is None:
        try:
            context.prepared = (text, CACHE.get(text, schema, context.limits))
        except REFUSALS as refusal:
            context.prepared = (text, refusal)
    prepared, document = context.prepared
    if prepared != text:  # a socket that asks about another of its operations
        return CACHE.get(text, schema, context.limits)
    if isinstance(document, Exception):
        raise document
    return document


class Documents(SchemaExtension):
    """Lets Strawberry execute the document that was prepared."""

    _document: Document | None = None

    @override
    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        if context.query is not None:
            self._document = prepare(context.query, context.schema._schema, context.context)
            context.graphql_document = self._document.node
        yield

    @override
    def on_validate(self) -> Iterator[None]:
        document, context = self._document, self.execution_context
        if document is not None:
            context.pre_execution_errors = list(document.errors)
            if not (document.has_one_operation or document.errors or context._provided_operation_name):
                several = GraphQLError("The document has several operations: name the one that is meant.")
                context.pre_execution_errors = mark_validation_errors([several])
            if not context.pre_execution_errors and isinstance(context.context, RequestContext):
                answer = document.requirements_of(context._provided_operation_name)
                answer.require(context.context.resolver_context.caller, context.variables or {})
        yield
