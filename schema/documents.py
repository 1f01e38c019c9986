"""One document: what its text says, what is wrong with it, and what is compiled from it."""

import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    get_operation_ast,
    specified_rules,
    validate,
    visit,
)

from schema import limits
from schema.errors import from_exception, invalid_document
from schema.limits import Limits
from schema.parsing import parse_within
from schema.plans import Plans
from schema.selections import Answer, answers
from schema.usage import TEXT_COPIES, TOKEN_BYTES, VALUE_BYTES, Usage
from storage.errors import QueryTooComplex

#: What graphql-core says when it has compared as many fields and fragments with each other as it is willing to.
ABORTED = "Validation aborted."
#: How many validation errors are told of one document; validation stops there.
MAX_ERRORS = 5
#: For how many combinations of page sizes it is remembered that a document is within its limits.
KEPT_SIZES = 32
#: For how many combinations of switches it is remembered how a document is written.
KEPT_PLANS = 8
NO_ANSWER = Answer()


class Document:
    """What a text says, and, once asked for, what is wrong with it."""

    node: DocumentNode

    def __init__(self, text: str, schema: GraphQLSchema, limits: Limits, usage: Usage | None = None) -> None:
        self.usage = usage or Usage(text)
        self.node, tokens = parse_within(text, limits)
        self.usage.add(tokens * TOKEN_BYTES)
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
            known = Plans(self.schema, self._fragments, dict(zip(self._switches, values, strict=True)), self.usage)
            if len(self._plans) < KEPT_PLANS:
                self._plans[values] = known
                self.usage.add((1 + len(values)) * VALUE_BYTES)
        return known

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
            self.usage.add((1 + len(key)) * VALUE_BYTES)

    @cached_property
    def errors(self) -> list[GraphQLError]:
        rules = specified_rules if self.limits.introspection else (*specified_rules, NoSchemaIntrospectionCustomRule)
        # Where the schema is not to be read, it is not to be guessed either.
        hide = not self.limits.introspection
        errors = validate(self.schema, self.node, rules, max_errors=MAX_ERRORS, hide_suggestions=hide)
        if [error.message for error in errors] == [ABORTED]:
            found = [from_exception(QueryTooComplex("The document takes too long to validate; make it smaller."))]
        else:
            found = invalid_document(errors[:MAX_ERRORS])  # the one after them says that there may be more
        self.usage.add(sum(VALUE_BYTES + TEXT_COPIES * sys.getsizeof(error.message) for error in found))
        return found


def _size(value: object) -> int | None:
    return limits.whole(value)


class Switches(Visitor):
    """Finds the variables that stand in directives."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        self.names |= {one.value.name.value for one in node.arguments or () if isinstance(one.value, VariableNode)}
