"""Documents that were parsed and validated before, kept for those who send the same text again."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    get_operation_ast,
    parse,
    specified_rules,
    validate,
    visit,
)
from strawberry.extensions import SchemaExtension

from schema import limits
from schema.context import WITHIN, RequestContext
from schema.errors import from_exception, invalid_document
from schema.limits import Limits
from schema.plans import Plans, Shelf
from schema.selections import Answer, answers
from storage.errors import QueryTooComplex

#: How many characters of documents are kept in all, and in one: a parsed document takes some 150 bytes for each.
KEPT_CHARACTERS = 400_000
LONGEST_KEPT_CHARACTERS = 20_000
#: What graphql-core says when it has compared as many fields and fragments with each other as it is willing to.
ABORTED = "Validation aborted."
#: Of one document. Each costs time to find and to write.
MOST_ERRORS = 20
#: For how many combinations of page sizes it is remembered that a document is within its limits.
KEPT_SIZES = 32
#: For how many combinations of switches it is remembered how a document is written.
KEPT_PLANS = 8
NO_ANSWER = Answer()
SHELF = Shelf()


class Document:
    """What a text says, and, once asked for, what is wrong with it."""

    def __init__(self, text: str, schema: GraphQLSchema, limits: Limits) -> None:
        self.node: DocumentNode = parse_within(text, limits)
        self.limits = limits
        self._sizes: set[tuple[object, ...]] = set()
        self._size_variables: frozenset[str] | None = None
        self._plans: dict[tuple[object, ...], Plans] = {}
        self.has_one_operation = sum(isinstance(node, OperationDefinitionNode) for node in self.node.definitions) == 1
        self.schema = schema

    def plans(self, variables: Mapping[str, Any]) -> Plans:
        """How what it asks for is written, with these values of its variables."""
        values = tuple(variables.get(name) for name in self._switches)
        known = self._plans.get(values)
        if known is None:
            known = Plans(self.schema, self._fragments, dict(zip(self._switches, values, strict=True)), SHELF)
            if len(self._plans) < KEPT_PLANS:
                self._plans[values] = known
        return known

    def close(self) -> None:
        """It is kept no more; whoever follows it goes on with what was planned."""
        for plans in self._plans.values():
            SHELF.remove(plans)

    @cached_property
    def _fragments(self) -> Mapping[str, FragmentDefinitionNode]:
        fragments = [node for node in self.node.definitions if isinstance(node, FragmentDefinitionNode)]
        return {fragment.name.value: fragment for fragment in fragments}

    @cached_property
    def _switches(self) -> Sequence[str]:
        """The variables by which directives decide what is asked for at all."""
        seen = Switches()
        visit(self.node, seen)
        return sorted(seen.names)

    def only_reads(self, operation_name: str | None) -> bool:
        """Whether the operation of that name is a query; also when there is no such operation."""
        operation = get_operation_ast(self.node, operation_name or None)
        return operation is None or operation.operation is OperationType.QUERY

    @cached_property
    def answers(self) -> Mapping[str | None, Answer]:
        """By the name of each mutation, what its answer reads."""
        return answers(self.schema, self.node)

    def answer(self, operation_name: str | None) -> Answer:
        """What the answer to the operation reads, if it is a mutation."""
        if self.has_one_operation:
            return next(iter(self.answers.values()), NO_ANSWER)
        return self.answers.get(operation_name, NO_ANSWER)

    def check(self, variables: Mapping[str, Any]) -> None:
        """Raise QueryTooComplex when it is beyond its limits with these variables."""
        key = None
        if self._size_variables is not None:
            key = tuple((name in variables, _size(variables.get(name))) for name in self._size_variables)
            if key in self._sizes:
                return
        self._size_variables = limits.check(self.schema, self.node, self.limits, variables)
        if key is not None and len(self._sizes) < KEPT_SIZES:
            self._sizes.add(key)

    @cached_property
    def errors(self) -> list[GraphQLError]:
        rules = specified_rules if self.limits.introspection else (*specified_rules, NoSchemaIntrospectionCustomRule)
        # Where the schema is not to be read, it is not to be guessed either.
        hide = not self.limits.introspection
        errors = validate(self.schema, self.node, rules, max_errors=MOST_ERRORS, hide_suggestions=hide)
        if [error.message for error in errors] == [ABORTED]:
            return [from_exception(QueryTooComplex("The document takes too long to validate; make it smaller."))]
        return invalid_document(errors)


class Switches(Visitor):
    """Finds the variables that stand in directives."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        self.names |= {one.value.name.value for one in node.arguments or () if isinstance(one.value, VariableNode)}


def parse_within(text: str, limits: Limits) -> DocumentNode:
    """Raises QueryTooComplex for a text that is too long, and what the parser raises."""
    if len(text) > limits.characters:
        raise QueryTooComplex(f"The document has {len(text)} characters; {limits.characters} are the most.")
    try:
        return parse(text, max_tokens=limits.tokens)
    except GraphQLSyntaxError as error:
        if "Parsing aborted" in error.description:
            raise QueryTooComplex(error.description.removesuffix(" Parsing aborted.")) from None
        raise


def _size(value: object) -> int | None:
    return limits.whole(value)


class Library:
    """The documents used last, by their text.

    Not by the parsed document, as Strawberry's caches have it: to hash one walks all of it.
    """

    def __init__(self) -> None:
        self._documents: OrderedDict[str, Document] = OrderedDict()
        self._characters = 0

    def get(self, text: str, schema: GraphQLSchema, limits: Limits) -> Document:
        """The document. Raises QueryTooComplex, and what the parser raises."""
        known = self._documents.get(text)
        if known is not None and known.limits is limits:
            self._documents.move_to_end(text)
            return known
        document = Document(text, schema, limits)
        if len(text) <= LONGEST_KEPT_CHARACTERS:
            self._documents[text] = document
            self._characters += len(text)
            while self._characters > KEPT_CHARACTERS:
                oldest, dropped = self._documents.popitem(last=False)
                self._characters -= len(oldest)
                dropped.close()
        return document


def limits_in(context: object) -> Limits:
    return context.limits if isinstance(context, RequestContext) else WITHIN


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
                within = limits_in(context.context)
                self._document = self._library.get(context.query, context.schema._schema, within)
                context.graphql_document = self._document.node
                if isinstance(context.context, RequestContext):
                    context.context.plans = self._document.plans
        yield

    def on_validate(self) -> Iterator[None]:
        document, context = self._document, self.execution_context
        if document is not None:
            context.pre_execution_errors = list(document.errors)
            if not (document.has_one_operation or document.errors or context._provided_operation_name):
                several = GraphQLError("The document has several operations: name the one that is meant.")
                context.pre_execution_errors = invalid_document([several])
            if not context.pre_execution_errors and isinstance(context.context, RequestContext):
                answer = document.answer(context._provided_operation_name)
                answer.require(context.context.reading.caller, context.variables or {})
        yield
