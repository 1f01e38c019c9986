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

from schema.base.errors import from_exception, mark_validation_errors
from schema.execution import cost_limits
from schema.execution.answer_requirements import AnswerRequirements, find_requirements
from schema.execution.cost_limits import Limits
from schema.execution.memory_usage import TEXT_COPIES, TOKEN_BYTES, VALUE_BYTES, Usage
from schema.execution.parsing import parse_within
from schema.execution.selection_compiler import CompiledSelections
from storage.errors import QueryTooComplex

#: What graphql-core says when it has compared as many fields and fragments with each other as it is willing to.
ABORTED = "Validation aborted."
#: How many validation errors are told of one document; validation stops there.
MAX_ERRORS = 5
#: For how many combinations of page sizes it is remembered that a document is within its limits.
MAX_CACHED_CHECKS = 32
#: For how many combinations of switches it is remembered how a document is written.
MAX_CACHED_VARIANTS = 8
NO_REQUIREMENTS = AnswerRequirements()


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
        self._plans: dict[tuple[object, ...], CompiledSelections] = {}
        self.has_one_operation = sum(isinstance(node, OperationDefinitionNode) for node in self.node.definitions) == 1
        self.schema = schema

    def compiled_selections(self, variables: Mapping[str, Any]) -> CompiledSelections:
        """How what it asks for is written, with these values of its variables."""
        values = tuple(variables.get(name) for name in self._condition_variables)
        known = self._plans.get(values)
        if known is None:
            known = CompiledSelections(
                self.schema, self._fragments, dict(zip(self._condition_variables, values, strict=True)), self.usage
            )
            if len(self._plans) < MAX_CACHED_VARIANTS:
                self._plans[values] = known
                self.usage.add((1 + len(values)) * VALUE_BYTES)
        return known

    @cached_property
    def _fragments(self) -> Mapping[str, FragmentDefinitionNode]:
        fragments = [node for node in self.node.definitions if isinstance(node, FragmentDefinitionNode)]
        return {fragment.name.value: fragment for fragment in fragments}

    @cached_property
    def _condition_variables(self) -> Sequence[str]:
        """The variables by which directives decide what is asked for at all."""
        seen = ConditionVariables()
        visit(self.node, seen)
        return sorted(seen.names)

    def is_query(self, operation_name: str | None) -> bool:
        """Whether the operation of that name is a query; also when there is no such operation."""
        operation = get_operation_ast(self.node, operation_name or None)
        return operation is None or operation.operation is OperationType.QUERY

    @cached_property
    def answer_requirements(self) -> Mapping[str | None, AnswerRequirements]:
        """By the name of each mutation, what its answer reads."""
        return find_requirements(self.schema, self.node)

    def requirements_of(self, operation_name: str | None) -> AnswerRequirements:
        """What the answer to the operation reads, if it is a mutation."""
        if self.has_one_operation:
            return next(iter(self.answer_requirements.values()), NO_REQUIREMENTS)
        return self.answer_requirements.get(operation_name, NO_REQUIREMENTS)

    def check(self, variables: Mapping[str, Any]) -> None:
        """Raise QueryTooComplex when it is beyond its limits with these variables."""
        key = None
        if self._size_variables is not None:
            key = tuple((name in variables, _size(variables.get(name))) for name in self._size_variables)
            if key in self._sizes:
                return
        self._size_variables = cost_limits.check(self.schema, self.node, self.limits, variables)
        if key is not None and len(self._sizes) < MAX_CACHED_CHECKS:
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
            found = mark_validation_errors(errors[:MAX_ERRORS])  # the one after them says that there may be more
        self.usage.add(sum(VALUE_BYTES + TEXT_COPIES * sys.getsizeof(error.message) for error in found))
        return found


def _size(value: object) -> int | None:
    return cost_limits.int_value(value)


class ConditionVariables(Visitor):
    """Finds the variables that stand in directives."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        self.names |= {one.value.name.value for one in node.arguments or () if isinstance(one.value, VariableNode)}
