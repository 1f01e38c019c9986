"""How much one document may ask for, found out before it is validated and executed.

One pass over the syntax tree, in which every fragment is measured once, however often it is spread: what a document
weighs can grow exponentially with its length, what it takes to weigh it grows with its length alone.
"""

import math
from collections.abc import Mapping
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
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_introspection_type,
    is_list_type,
)

from storage.errors import QueryTooComplex

POINTS = "points of complexity"
#: How many entries of a list that is not read in pages are reckoned with: roles, departments, ...
LIST_ENTRIES = 2
#: What a page holds, when a document does not say how much, and at most.
PAGE_ENTRIES, MAX_PAGE_ENTRIES = 50, 200
#: The fields of a page that hold its entries.
ENTRIES = frozenset({"nodes", "edges"})
#: What counting a list takes, beside reading it; events are looked at one by one where a filter asks for it.
COUNT_POINTS, EVENT_COUNT_POINTS = 100, 5_000
HINTS = MappingProxyType(
    {
        POINTS: " Ask for smaller pages or fewer fields: each field is one point, as often as the pages and lists "
        "around it may repeat it."
    }
)
#: Counting stops here: the weight of a nested document has hundreds of digits.
MAX_COMPLEXITY_COUNTED = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one document may hold; each is refused with QUERY_TOO_COMPLEX beyond."""

    characters: int = 100_000
    tokens: int = 5_000
    depth: int = 20
    aliases: int = 100
    directives: int = 50
    root_fields: int = 50
    operations: int = 50
    fragments: int = 100
    #: Validation looks at each pair of fields of the same response name, and of fragments that are spread side by side.
    repetitions: int = 50
    spreads: int = 40
    complexity: int = 200_000
    introspection: bool = True


@dataclass(slots=True)
class Cost:
    """What a selection holds, fragments included."""

    depth: int = 0
    aliases: int = 0
    directives: int = 0
    fields: int = 0
    complexity: int = 0
    #: Of a page: the complexity of each of its entries.
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
    """Raise QueryTooComplex when an operation of the document holds more than it may.

    Returns the names of the variables that it depends on.
    """
    scale = _CostCounter(schema, document, variables)
    require_within("fragments", len(scale.fragments), limits.fragments)
    require_within("operations", len(scale.operations), limits.operations)
    for operation in scale.operations:
        weight = scale.operation_cost(operation)
        require_within("levels of nesting", weight.depth, limits.depth)
        require_within("aliases", weight.aliases, limits.aliases)
        require_within("directives", weight.directives, limits.directives)
        require_within("root fields", weight.fields, limits.root_fields)
        require_within(POINTS, weight.complexity, limits.complexity)
    require_within("fields of the same name side by side", scale.repetitions, limits.repetitions)
    require_within("fragments side by side", scale.spreads, limits.spreads)
    return frozenset(scale.used)


def require_within(noun: str, held: int, limit: int) -> None:
    if held > limit:
        shown = "far more" if held >= MAX_COMPLEXITY_COUNTED else str(held)
        raise QueryTooComplex(f"The operation has {shown} {noun}; {limit} is the most.{HINTS.get(noun, '')}")


@dataclass(slots=True)
class _CostCounter:
    """Weighs the selections of one document, with the values of its variables."""

    schema: GraphQLSchema
    document: DocumentNode
    variables: Mapping[str, Any]
    fragments: dict[str, FragmentDefinitionNode] = field(default_factory=dict)
    operations: list[OperationDefinitionNode] = field(default_factory=list)
    costs: dict[str, Cost] = field(default_factory=dict)
    #: The variables that say how much a page holds.
    used: set[str] = field(default_factory=set)
    #: How often a response name was given again in the same selection, and the most fragments spread in one.
    repetitions: int = 0
    spreads: int = 0

    def __post_init__(self) -> None:
        for node in self.document.definitions:
            if isinstance(node, FragmentDefinitionNode):
                self.fragments[node.name.value] = node
            elif isinstance(node, OperationDefinitionNode):
                self.operations.append(node)

    def operation_cost(self, operation: OperationDefinitionNode) -> Cost:
        weight = Cost(directives=len(operation.directives or ()))
        try:
            weight.add(self._selection(operation.selection_set, self.schema.get_root_type(operation.operation)))
        except RecursionError:
            raise QueryTooComplex("The operation is nested too deeply.") from None
        return weight

    def _selection(self, selection: SelectionSetNode, parent: Any, seen: set[str] | None = None) -> Cost:
        """`seen`: the response names of the selection that an inline fragment stands in."""
        names: set[str] = set() if seen is None else seen
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
        known = self.costs.get(name)
        if known is None:
            self.costs[name] = Cost()  # one that spreads itself is refused by validation
            fragment = self.fragments.get(name)
            if fragment is None:
                return self.costs[name]
            type_ = self.schema.type_map.get(fragment.type_condition.name.value)
            known = self._selection(fragment.selection_set, type_)
            known.directives += len(fragment.directives or ())
            self.costs[name] = known
        return known

    def _field(self, node: FieldNode, parent: Any) -> Cost:
        definition = self._definition(node, parent)
        inner = Cost()
        entries = 1
        if node.selection_set is not None:
            type_ = None if definition is None else get_named_type(definition.type)
            inner = self._selection(node.selection_set, type_)
            entries = self._entries(node, definition)
        weight = Cost(
            depth=inner.depth + 1,
            aliases=inner.aliases + (node.alias is not None),
            directives=inner.directives,
            fields=1,
            complexity=1,
        )
        if definition is not None and "first" in definition.args:
            weight.complexity += inner.complexity + entries * inner.per_entry
        elif node.name.value in ENTRIES:
            weight.complexity, weight.per_entry = 0, 1 + inner.complexity
        else:
            weight.complexity += entries * inner.complexity + _counting(node, parent)
        weight.complexity = min(weight.complexity, MAX_COMPLEXITY_COUNTED)
        return weight

    def _definition(self, node: FieldNode, parent: Any) -> GraphQLField | None:
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            return None
        return self.schema.get_field(parent, node.name.value)

    def _entries(self, node: FieldNode, definition: GraphQLField | None) -> int:
        """How often what is selected in a field may be answered."""
        if definition is None:
            return 1
        if "first" in definition.args:
            return self._page_entries(node)
        type_ = definition.type.of_type if isinstance(definition.type, GraphQLNonNull) else definition.type
        if not is_list_type(type_):
            return 1
        if is_introspection_type(get_named_type(type_)):
            return _introspection_entries(self.schema).get(node.name.value, LIST_ENTRIES)
        return LIST_ENTRIES

    def _page_entries(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value == "first":
                value: Any = None
                if isinstance(argument.value, IntValueNode):
                    value = _int_literal(argument.value.value)
                elif isinstance(argument.value, VariableNode):
                    value = self._variable(argument.value.name.value)
                entries = int_value(value)
                if entries is not None:
                    return min(max(entries, 1), MAX_PAGE_ENTRIES)
        return PAGE_ENTRIES

    def _variable(self, name: str) -> Any:
        self.used.add(name)
        if name in self.variables:
            return self.variables[name]
        defaults = [
            definition.default_value
            for operation in self.operations
            for definition in operation.variable_definitions or ()
            if definition.variable.name.value == name
        ]
        # Operations may differ in their defaults: the largest counts.
        return max((_int_literal(one.value) for one in defaults if isinstance(one, IntValueNode)), default=None)


@cache
def _introspection_entries(schema: GraphQLSchema) -> Mapping[str, int]:
    """How long the lists of introspection are, by their field: on average, over all types or all fields there are."""
    types = schema.type_map.values()
    fields = [
        declared
        for type_ in types
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
        for declared in type_.fields.values()
    ]
    totals = {
        "fields": len(fields),
        "inputFields": sum(len(one.fields) for one in types if isinstance(one, GraphQLInputObjectType)),
        "enumValues": sum(len(one.values) for one in types if isinstance(one, GraphQLEnumType)),
        "interfaces": len(types),
        "possibleTypes": len(types),
    }
    return {
        "types": len(types),
        "directives": len(schema.directives),
        "args": math.ceil(sum(len(one.args) for one in fields) / len(fields)),
        **{name: math.ceil(total / len(types)) for name, total in totals.items()},
    }


def _counting(node: FieldNode, parent: Any) -> int:
    if node.name.value != "totalCount":
        return 0
    return EVENT_COUNT_POINTS if getattr(parent, "name", "") == "EventConnection" else COUNT_POINTS


def int_value(value: object) -> int | None:
    """The number that a value of a variable is for an Int, which takes 200.0 too."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _int_literal(digits: str) -> int:
    """What is written, as far as it matters: reading a number of many digits takes long."""
    return int(digits) if len(digits) < 10 else (-1 if digits.startswith("-") else MAX_PAGE_ENTRIES)
