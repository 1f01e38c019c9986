"""Preparation of an operation: its text becomes a document, which is parsed once, checked against the limits and
validated.

All code that needs the document of an operation (to know whether it is a query or a subscription, or to execute it)
calls `prepare`. The first call parses the text.
"""

from collections.abc import Iterator

from graphql import GraphQLError, GraphQLSchema, GraphQLSyntaxError
from strawberry.extensions import SchemaExtension
from typing_extensions import override

from schema.base.errors import mark_validation_errors
from schema.execution.context import RequestContext
from schema.execution.cost_limits import DEFAULT_LIMITS
from schema.execution.document_cache import CACHE
from schema.execution.documents import Document
from storage.errors import QueryTooComplex

#: The errors of texts that cannot be parsed or exceed the limits.
REFUSALS = (QueryTooComplex, GraphQLSyntaxError, RecursionError)


def prepare(text: str, schema: GraphQLSchema, context: object) -> Document:
    """The document of an operation. Raises one of REFUSALS.

    The result, or the refusal, is stored in the operation's context.
    """
    if not isinstance(context, RequestContext):
        return CACHE.get(text, schema, DEFAULT_LIMITS)
    if context.prepared is None:
        try:
            context.prepared = (text, context.documents.get(text, schema, context.limits))
        except REFUSALS as refusal:
            context.prepared = (text, refusal)
    prepared, document = context.prepared
    if prepared != text:  # the context belongs to another operation of the socket
        return context.documents.get(text, schema, context.limits)
    if isinstance(document, Exception):
        raise document
    return document


class Documents(SchemaExtension):
    """Lets Strawberry execute the prepared document."""

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
                ambiguous = GraphQLError("The document has several operations, and no operation name was given.")
                context.pre_execution_errors = mark_validation_errors([ambiguous])
            if not context.pre_execution_errors and isinstance(context.context, RequestContext):
                answer = document.requirements_of(context._provided_operation_name)
                answer.require(context.variables or {})
        yield
