"""A parsed document, with its validation errors, its cost and its compiled selections."""

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
    TypeInfo,
    TypeInfoVisitor,
    VariableNode,
    Visitor,
    get_operation_ast,
    specified_rules,
    validate,
    visit,
)
from graphql.execution.values import VariableValues, get_variable_values

from schema.base.errors import from_exception, mark_validation_errors
from schema.base.fields import is_per_caller
from schema.execution import cost_limits
from schema.execution.answer_requirements import AnswerRequirements, find_requirements
from schema.execution.cost_limits import Limits
from schema.execution.memory_usage import TEXT_COPIES, TOKEN_BYTES, VALUE_BYTES, Usage
from schema.execution.parsing import parse_within
from schema.execution.selection_compiler import CompiledSelections
from schema.execution.variable_values import VariableCoercion, coercion_of
from schema.execution.visitor_fields import Refusal, find_refusals
from storage.errors import QueryTooComplex

#: The error message of graphql-core when validation exceeds its limit of comparisons of fields and fragments.
ABORTED = "Validation aborted."
#: The maximum number of validation errors of a document. Validation stops there.
MAX_ERRORS = 5
#: The maximum number of combinations of page sizes for which a successful check of the limits is cached.
MAX_CACHED_CHECKS = 32
#: The maximum number of combinations of @skip and @include variables for which selections are cached.
MAX_CACHED_VARIANTS = 8
NO_REQUIREMENTS = AnswerRequirements()


class Document:
    """A parsed text. Values that are derived from it are computed on first use and cached."""

    node: DocumentNode

    def __init__(self, text: str, schema: GraphQLSchema, limits: Limits, usage: Usage | None = None) -> None:
        self.usage = usage or Usage(text)
        self.node, tokens = parse_within(text, limits)
        self.usage.add(tokens * TOKEN_BYTES)
        self.limits = limits
        #: The values of the page size variables with which the document is within its limits.
        self._checked_sizes: set[tuple[object, ...]] = set()
        self._size_variables: frozenset[str] | None = None
        self._compiled: dict[tuple[object, ...], CompiledSelections] = {}
        #: By the id of the operation's node.
        self._coercions: dict[int, VariableCoercion | None] = {}
        self.has_one_operation = sum(isinstance(node, OperationDefinitionNode) for node in self.node.definitions) == 1
        self.schema = schema

    def compiled_selections(self, variables: Mapping[str, Any], *, visitors: bool = False) -> CompiledSelections:
        """The compiled selections for these values of the variables in @skip and @include, as visitors see them or as
        others do."""
        values = tuple(variables.get(name) for name in self._condition_variables)
        key = (visitors, *values)
        selections = self._compiled.get(key)
        if selections is None:
            selections = CompiledSelections(
                self.schema,
                self._fragments,
                dict(zip(self._condition_variables, values, strict=True)),
                self.usage,
                max_compiled=self.limits.compiled_selections,
                visitors=visitors,
            )
            if len(self._compiled) < MAX_CACHED_VARIANTS:
                self._compiled[key] = selections
                self.usage.add((1 + len(values)) * VALUE_BYTES)
        return selections

    def variable_values(self, operation: OperationDefinitionNode, given: Mapping[str, Any]) -> VariableValues | None:
        """The coerced values of the variables of one of its operations. None if they are not correct."""
        key, definitions = id(operation), operation.variable_definitions or ()
        if key not in self._coercions:
            self._coercions[key] = coercion_of(self.schema, definitions)
            self.usage.add((1 + len(definitions)) * VALUE_BYTES)
        coercion = self._coercions[key]
        values = None if coercion is None else coercion.coerce(given)
        if values is not None:
            return values
        coerced = get_variable_values(self.schema, definitions, dict(given))
        return None if isinstance(coerced, list) else coerced

    @cached_property
    def _fragments(self) -> Mapping[str, FragmentDefinitionNode]:
        fragments = [node for node in self.node.definitions if isinstance(node, FragmentDefinitionNode)]
        return {fragment.name.value: fragment for fragment in fragments}

    @cached_property
    def _condition_variables(self) -> Sequence[str]:
        """The names of the variables in directives."""
        visitor = ConditionVariables()
        visit(self.node, visitor)
        return sorted(visitor.names)

    def is_query(self, operation_name: str | None) -> bool:
        """Whether the operation of this name is a query. True if there is no such operation."""
        operation = self.operation(operation_name)
        return operation is None or operation.operation is OperationType.QUERY

    def describe(self, operation_name: str | None) -> tuple[str, str]:
        """The type and the name of the operation that this name selects. Both are empty if there is none.

        The name is empty if the operation has none.
        """
        return self._descriptions.get(operation_name or None, ("", ""))

    def operation(self, operation_name: str | None) -> OperationDefinitionNode | None:
        """The operation that this name selects. None if there is none, or if the document has several and no name is
        given."""
        return self._operations.get(operation_name or None)

    @cached_property
    def _operations(self) -> Mapping[str | None, OperationDefinitionNode]:
        names: set[str | None] = {None}
        names |= {
            node.name.value for node in self.node.definitions if isinstance(node, OperationDefinitionNode) and node.name
        }
        found = {name: get_operation_ast(self.node, name) for name in names}
        return {name: node for name, node in found.items() if node is not None}

    @cached_property
    def _descriptions(self) -> Mapping[str | None, tuple[str, str]]:
        operations = [node for node in self.node.definitions if isinstance(node, OperationDefinitionNode)]
        found: dict[str | None, tuple[str, str]] = {}
        for node in operations:
            name = node.name.value if node.name else ""
            found[name or None] = (node.operation.value, name)
        if len(operations) == 1:
            found[None] = next(iter(found.values()))
        return found

    @cached_property
    def answer_requirements(self) -> Mapping[str | None, AnswerRequirements]:
        """The requirements of each mutation, by operation name."""
        return find_requirements(self.schema, self.node)

    def requirements_of(self, operation_name: str | None) -> AnswerRequirements:
        """The requirements of this mutation. NO_REQUIREMENTS for other operations."""
        if self.has_one_operation:
            return next(iter(self.answer_requirements.values()), NO_REQUIREMENTS)
        return self.answer_requirements.get(operation_name, NO_REQUIREMENTS)

    @cached_property
    def _refusals_to_visitors(self) -> Mapping[str | None, Refusal]:
        return find_refusals(self.schema, self.node)

    def require_open_to_visitors(self, operation_name: str | None) -> None:
        """Raise Forbidden if the operation selects a field that cannot be hidden from visitors.

        Raises QueryTooComplex if it is a mutation that makes several changes.
        """
        refusals = self._refusals_to_visitors
        if self.has_one_operation or operation_name is None:
            refusal = next(iter(refusals.values()), None)
        else:
            refusal = refusals.get(operation_name)
        if refusal is not None:
            raise refusal.error()

    @cached_property
    def depends_on_caller(self) -> bool:
        """Whether callers with the same permissions may get different results, because of a field that is selected."""
        types = TypeInfo(self.schema)
        visitor = PerCallerFields(types)
        visit(self.node, TypeInfoVisitor(types, visitor))
        return visitor.found

    def check(self, variables: Mapping[str, Any]) -> None:
        """Raise QueryTooComplex if the document exceeds its limits with these variables."""
        key = None
        if self._size_variables is not None:
            key = tuple((name in variables, cost_limits.size_of(variables.get(name))) for name in self._size_variables)
            if key in self._checked_sizes:
                return
        self._size_variables = cost_limits.check(self.schema, self.node, self.limits, variables)
        if key is not None and len(self._checked_sizes) < MAX_CACHED_CHECKS:
            self._checked_sizes.add(key)
            self.usage.add((1 + len(key)) * VALUE_BYTES)

    @cached_property
    def errors(self) -> list[GraphQLError]:
        rules = specified_rules if self.limits.introspection else (*specified_rules, NoSchemaIntrospectionCustomRule)
        # Suggestions in error messages name fields. They are hidden if introspection is disabled.
        hide = not self.limits.introspection
        errors = validate(self.schema, self.node, rules, max_errors=MAX_ERRORS, hide_suggestions=hide)
        if [error.message for error in errors] == [ABORTED]:
            found = [from_exception(QueryTooComplex("The document takes too long to validate; make it smaller."))]
        else:
            found = mark_validation_errors(errors[:MAX_ERRORS])  # without graphql-core's "too many errors"
        self.usage.add(sum(VALUE_BYTES + TEXT_COPIES * sys.getsizeof(error.message) for error in found))
        return found


class ConditionVariables(Visitor):
    """Collects the names of the variables in directives."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        self.names |= {
            argument.value.name.value for argument in node.arguments or () if isinstance(argument.value, VariableNode)
        }


class PerCallerFields(Visitor):
    """Finds out whether a document selects a field whose value depends on who reads it."""

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self._types = types
        self.found = False

    def enter_field(self, *_: object) -> None:
        field = self._types.get_field_def()
        self.found = self.found or (field is not None and is_per_caller(field))
