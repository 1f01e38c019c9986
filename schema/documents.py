"""Documents that were parsed and validated before, kept for those who send the same text again."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from strawberry.extensions import SchemaExtension

from schema.errors import invalid_document

#: How many characters of documents are kept in all, and in one: a parsed document takes some 150 bytes for each.
KEPT_CHARACTERS = 400_000
LONGEST_KEPT_CHARACTERS = 20_000


class Document:
    """What a text says, and, once asked for, what is wrong with it."""

    def __init__(self, text: str, schema: GraphQLSchema) -> None:
        self.node: DocumentNode = parse(text)
        self.has_one_operation = sum(isinstance(node, OperationDefinitionNode) for node in self.node.definitions) == 1
        self._schema = schema

    @cached_property
    def errors(self) -> list[GraphQLError]:
        return invalid_document(validate(self._schema, self.node, specified_rules))


class Library:
    """The documents used last, by their text.

    Not by the parsed document, as Strawberry's caches have it: to hash one walks all of it.
    """

    def __init__(self) -> None:
        self._documents: OrderedDict[str, Document] = OrderedDict()
        self._characters = 0

    def get(self, text: str, schema: GraphQLSchema) -> Document:
        """The document. Raises what the parser raises."""
        known = self._documents.get(text)
        if known is not None:
            self._documents.move_to_end(text)
            return known
        document = Document(text, schema)
        if len(text) <= LONGEST_KEPT_CHARACTERS:
            self._documents[text] = document
            self._characters += len(text)
            while self._characters > KEPT_CHARACTERS:
                oldest, _ = self._documents.popitem(last=False)
                self._characters -= len(oldest)
        return document


class Documents(SchemaExtension):
    """Parses and validates by way of a library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._document: Document | None = None

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        if context.query is not None:
            # A text that cannot be parsed is parsed once more where errors are caught, and they are told there.
            with suppress(GraphQLSyntaxError, RecursionError):
                self._document = self._library.get(context.query, context.schema._schema)
                context.graphql_document = self._document.node
        yield

    def on_validate(self) -> Iterator[None]:
        document, context = self._document, self.execution_context
        if document is not None:
            context.pre_execution_errors = list(document.errors)
            if not (document.has_one_operation or document.errors or context._provided_operation_name):
                several = GraphQLError("The document has several operations: name the one that is meant.")
                context.pre_execution_errors = invalid_document([several])
        yield
