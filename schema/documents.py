"""Documents that were parsed and validated before, kept for those who send the same text again."""

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache

from graphql import DocumentNode, GraphQLError, GraphQLSchema, GraphQLSyntaxError, parse, specified_rules
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import validate_document

from schema.errors import invalid_document

#: How many documents are kept, and how long one may be to be worth keeping: together they bound the memory.
KEPT = 512
LONGEST_KEPT_CHARACTERS = 20_000


class Documents(SchemaExtension):
    """Answers parsing and validation from what is kept."""

    def on_parse(self) -> Iterator[None]:
        text = self.execution_context.query
        if text is not None and len(text) <= LONGEST_KEPT_CHARACTERS:
            # A text that cannot be parsed is parsed once more where errors are caught, and they are told there.
            with suppress(GraphQLSyntaxError, RecursionError):
                self.execution_context.graphql_document = _parsed(text)
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        document = context.graphql_document
        assert document is not None
        schema = context.schema._schema
        kept = context.query is not None and len(context.query) <= LONGEST_KEPT_CHARACTERS
        found = (_validated if kept else _validate)(schema, document)
        context.pre_execution_errors = list(found)
        yield


@lru_cache(maxsize=KEPT)
def _parsed(text: str) -> DocumentNode:
    return parse(text)


def _validate(schema: GraphQLSchema, document: DocumentNode) -> tuple[GraphQLError, ...]:
    return tuple(invalid_document(validate_document(schema, document, specified_rules)))


@lru_cache(maxsize=KEPT)
def _validated(schema: GraphQLSchema, document: DocumentNode) -> tuple[GraphQLError, ...]:
    return _validate(schema, document)
