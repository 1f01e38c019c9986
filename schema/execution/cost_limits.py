"""The limits of a document, checked before it is validated and executed.

The cost is computed in one pass over the syntax tree, in which each fragment is visited once, however often it is
spread. So the time is linear in the length of the document, although the cost itself can grow exponentially with it.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_introspection_type,
    is_list_type,
)

from resolvers.consumers.leases import MAX_CONSUMERS
from resolvers.timers import MAX_TIMERS
from storage.errors import QueryTooComplex
from storage.webhooks import MAX_WEBHOOKS

POINTS = "points of complexity"
#: The assumed number of entries of a list without pages, such as roles and departments.
LIST_ENTRIES = 2
#: The most entries of longer lists without pages, by the name of the field.
LONG_LISTS = MappingProxyType({"timers": MAX_TIMERS, "consumers": MAX_CONSUMERS, "webhooks": MAX_WEBHOOKS})
#: The default and the maximum number of entries of a page.
PAGE_ENTRIES, MAX_PAGE_ENTRIES = 50, 200
#: The arguments that set the number of entries of a page, and of a list of objects by their ids.
PAGE_ARGUMENTS, IDS_ARGUMENTS = ("first", "last"), ("ids",)
#: The fields of a connection that contain its entries.
ENTRIES = frozenset({"nodes", "edges"})
#: The cost of totalCount. Events may have to be checked one by one.
COUNT_POINTS, EVENT_COUNT_POINTS = 100, 5_000
HINTS = MappingProxyType(
    {
        POINTS: " Select smaller pages or fewer fields: each field costs one point, multiplied by the sizes of the "
        "pages and lists around it."
    }
)
#: Costs are capped here: the cost of a nested document can have hundreds of digits.
MAX_COMPLEXITY_COUNTED = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one document. Unless noted, a document that exceeds one is refused with QUERY_TOO_COMPLEX."""

    characters: int = 100_000
    tokens: int = 5_000
    depth: int = 20
    aliases: int = 100
    directives: int = 50
    root_fields: int = 50
    operations: int = 50
    fragments: int = 100
    #: Validation compares all pairs of fields with the same response name, and of fragments in the same selection.
    repetitions: int = 50
    spreads: int = 40
    complexity: int = 200_000
    #: Selections beyond this number are executed by graphql-core instead of being compiled. Nothing is refused.
    compiled_selections: int = 1_000
    introspection: bool = True


DEFAULT_LIMITS = Limits()


@dataclass(slots=True)
class Cost:
    """The cost of a selection, including its fragments."""

    depth: int = 0
    aliases: int = 0
    directives: int = 0
    fields: int = 0
    complexity: int = 0
    #: For a connection: the complexity of each entry.
    per_entry: int = 0

    def add(self, other: "Cost") -> None:
        self.depth = max(self.depth, other.depth)
        self.aliases = min(self.aliases + other.aliases, MAX_COMPLEXITY_COUNTED)
        self.directives = min(self.directives + other.directives, MAX_COMPLEXITY_COUNTED)
        self.fields = min(self.fields + other.fields, MAX_COMPLEXITY_COUNTED)
        self.complexity = min(self.complexity + other.complexity, MAX_COMPLEXITY_COUNTED)
        self.per_entry = min(self.per_entry + other.per_entry, MAX_COMPLEXITY_COUNTED)


def check(
    schema: GraphQLSchema, document: DocumentNode, limits: Limits, variables: Mapping[str, Any]
) -> frozenset[str]:
    """Raise QueryTooComplex if an operation of the document exceeds a limit.

    Returns the names of the variables on which the result depends.
    """
    counter = _CostCounter(schema, document, variables)
    require_within("fragments", len(counter.fragments), limits.fragments)
    require_within("operations", len(counter.operations), limits.operations)
    for operation in counter.operations:
        cost = counter.operation_cost(operation)
        require_within("levels of nesting", cost.depth, limits.depth)
        require_within("aliases", cost.aliases, limits.aliases)
        require_within("directives", cost.directives, limits.directives)
        require_within("root fields", cost.fields, limits.root_fields)
        require_within(POINTS, cost.complexity, limits.complexity)
    require_within("fields of the same name side by side", counter.repetitions, limits.repetitions)
    require_within("fragments side by side", counter.spreads, limits.spreads)
    return frozenset(counter.size_variables)


def require_within(noun: str, count: int, limit: int) -> None:
    if count > limit:
        shown = "far more" if count >= MAX_COMPLEXITY_COUNTED else str(count)
        raise QueryTooComplex(f"The operation has {shown} {noun}; the maximum is {limit}.{HINTS.get(noun, '')}")


@dataclass(slots=True)
class _CostCounter:
    """Computes the cost of the selections of one document, with the values of its variables."""

    schema: GraphQLSchema
    document: DocumentNode
    variables: Mapping[str, Any]
    fragments: dict[str, FragmentDefinitionNode] = field(default_factory=dict)
    operations: list[OperationDefinitionNode] = field(default_factory=list)
    costs: dict[str, Cost] = field(default_factory=dict)
    #: The names of the variables that set the sizes of pages and lists.
    size_variables: set[str] = field(default_factory=set)
    #: The number of fields with a response name that the same selection has already, and the maximum number of
    #: fragments spread in one selection.
    repetitions: int = 0
    spreads: int = 0

    def __post_init__(self) -> None:
        for node in self.document.definitions:
            if isinstance(node, FragmentDefinitionNode):
                self.fragments[node.name.value] = node
            elif isinstance(node, OperationDefinitionNode):
                self.operations.append(node)

    def operation_cost(self, operation: OperationDefinitionNode) -> Cost:
        cost = Cost(directives=len(operation.directives or ()))
        try:
            cost.add(self._selection(operation.selection_set, self.schema.get_root_type(operation.operation)))
        except RecursionError:
            raise QueryTooComplex("The operation is nested too deeply.") from None
        return cost

    def _selection(self, selection: SelectionSetNode, parent: Any, outer_names: set[str] | None = None) -> Cost:
        """`outer_names`: the response names of the selection that contains this inline fragment."""
        names: set[str] = set() if outer_names is None else outer_names
        total = Cost()
        spread: set[str] = set()
        for node in selection.selections:
            match node:
                case FieldNode():
                    name = (node.alias or node.name).value
                    self.repetitions += name in names
                    names.add(name)
                    total.add(self._field(node, parent))
                case InlineFragmentNode():
                    condition = node.type_condition
                    type_ = parent if condition is None else self.schema.type_map.get(condition.name.value)
                    total.add(self._selection(node.selection_set, type_, names))
                case FragmentSpreadNode():
                    spread.add(node.name.value)
                    total.add(self._fragment(node.name.value))
            total.directives += len(node.directives or ())
        self.spreads = max(self.spreads, len(spread))
        return total

    def _fragment(self, name: str) -> Cost:
        cost = self.costs.get(name)
        if cost is None:
            self.costs[name] = Cost()  # ends the recursion of a fragment that spreads itself; validation refuses it
            fragment = self.fragments.get(name)
            if fragment is None:
                return self.costs[name]
            type_ = self.schema.type_map.get(fragment.type_condition.name.value)
            cost = self._selection(fragment.selection_set, type_)
            cost.directives += len(fragment.directives or ())
            self.costs[name] = cost
        return cost

    def _field(self, node: FieldNode, parent: Any) -> Cost:
        definition = self._definition(node, parent)
        inner = Cost()
        entries = 1
        if node.selection_set is not None:
            type_ = None if definition is None else get_named_type(definition.type)
            inner = self._selection(node.selection_set, type_)
            entries = self._entries(node, definition)
        cost = Cost(
            depth=inner.depth + 1,
            aliases=inner.aliases + (node.alias is not None),
            directives=inner.directives,
            fields=1,
            complexity=1,
        )
        if definition is not None and "first" in definition.args and not _is_list(definition):
            cost.complexity += inner.complexity + entries * inner.per_entry
        elif node.name.value in ENTRIES and not (definition is not None and definition.args):
            cost.complexity, cost.per_entry = 0, 1 + inner.complexity
        else:
            cost.complexity += entries * inner.complexity + _count_cost(node, parent)
        cost.complexity = min(cost.complexity, MAX_COMPLEXITY_COUNTED)
        return cost

    def _definition(self, node: FieldNode, parent: Any) -> GraphQLField | None:
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            return None
        return self.schema.get_field(parent, node.name.value)

    def _entries(self, node: FieldNode, definition: GraphQLField | None) -> int:
        """The maximum number of objects that the field returns."""
        if definition is None:
            return 1
        if "first" in definition.args:
            return self._size(node, PAGE_ARGUMENTS, default=PAGE_ENTRIES)
        if not _is_list(definition):
            return 1
        if "ids" in definition.args:
            return self._size(node, IDS_ARGUMENTS, default=1)
        type_ = definition.type
        if is_introspection_type(get_named_type(type_)):
            return _introspection_entries(self.schema).get(node.name.value, LIST_ENTRIES)
        return LONG_LISTS.get(node.name.value, LIST_ENTRIES)

    def _size(self, node: FieldNode, names: Collection[str], *, default: int) -> int:
        """The number of entries that one of these arguments sets."""
        for argument in node.arguments or ():
            if argument.name.value in names:
                value = argument.value
                size = self._variable(value.name.value) if isinstance(value, VariableNode) else _literal_size(value)
                if size is not None:
                    return min(max(size, 1), MAX_PAGE_ENTRIES)
        return default

    def _variable(self, name: str) -> int | None:
        """The size that the value of the variable sets."""
        self.size_variables.add(name)
        if name in self.variables:
            return size_of(self.variables[name])
        defaults = [
            definition.default_value
            for operation in self.operations
            for definition in operation.variable_definitions or ()
            if definition.variable.name.value == name
        ]
        # The operations of a document may have different defaults. The largest one counts.
        sizes = [_literal_size(node) for node in defaults if node is not None]
        return max((size for size in sizes if size is not None), default=None)


@cache
def _introspection_entries(schema: GraphQLSchema) -> Mapping[str, int]:
    """The average length of the lists of introspection, by field name."""
    types = schema.type_map.values()
    fields = [
        declared
        for type_ in types
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
        for declared in type_.fields.values()
    ]
    totals = {
        "fields": len(fields),
        "inputFields": sum(len(type_.fields) for type_ in types if isinstance(type_, GraphQLInputObjectType)),
        "enumValues": sum(len(type_.values) for type_ in types if isinstance(type_, GraphQLEnumType)),
        "interfaces": len(types),
        "possibleTypes": len(types),
    }
    return {
        "types": len(types),
        "directives": len(schema.directives),
        "args": math.ceil(sum(len(field.args) for field in fields) / len(fields)),
        **{name: math.ceil(total / len(types)) for name, total in totals.items()},
    }


def _count_cost(node: FieldNode, parent: Any) -> int:
    if node.name.value != "totalCount":
        return 0
    return EVENT_COUNT_POINTS if getattr(parent, "name", "") == "EventConnection" else COUNT_POINTS


def int_value(value: object) -> int | None:
    """The Int that the value of a variable is coerced to, such as 200 for 200.0; None if it is no Int."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def size_of(value: object) -> int | None:
    """The number of entries that the value of a variable sets: itself, or the length of a list of ids."""
    return len(value) if isinstance(value, list) else int_value(value)


def _literal_size(node: ValueNode) -> int | None:
    if isinstance(node, ListValueNode):
        return len(node.values)
    return _int_literal(node.value) if isinstance(node, IntValueNode) else None


def _int_literal(digits: str) -> int:
    """The value of an Int literal, capped: parsing a number of many digits takes long."""
    return int(digits) if len(digits) < 10 else (-1 if digits.startswith("-") else MAX_PAGE_ENTRIES)


def _is_list(definition: GraphQLField) -> bool:
    """Whether the field returns a list itself, and not a connection."""
    type_ = definition.type.of_type if isinstance(definition.type, GraphQLNonNull) else definition.type
    return is_list_type(type_)
