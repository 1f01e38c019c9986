"""The pages in the answer of a mutation, whose sizes are checked before the mutation runs.

A field for which the caller lacks a scope is null, with an error, and does not prevent the change.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

from resolvers import validation
from schema.base.fields import NeedsScopes
from schema.execution.cost_limits import int_value


class AnswerRequirements(NamedTuple):
    """The pages of one answer. Fields with @skip or @include are left out, because they may not be read."""

    #: The size of each page: the argument, its variable if it has one, and its number otherwise.
    sizes: frozenset[tuple[str, str | None, int | None]] = frozenset()

    def require(self, variables: Mapping[str, Any]) -> None:
        """Raise Invalid for a page that is too small or too large."""
        for argument, variable, number in self.sizes:
            size = int_value(variables.get(variable, number) if variable else number)
            if size is not None:
                validation.page_size(size, argument)


def find_requirements(schema: GraphQLSchema, document: DocumentNode) -> dict[str | None, AnswerRequirements]:
    """The requirements of each mutation in the document, by operation name."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    return {
        None if node.name is None else node.name.value: _selected_fields(schema, fragments, node)
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode) and node.operation is OperationType.MUTATION
    }


def _selected_fields(
    schema: GraphQLSchema, fragments: dict[str, FragmentDefinitionNode], operation: OperationDefinitionNode
) -> AnswerRequirements:
    sizes: set[tuple[str, str | None, int | None]] = set()
    spread: set[str] = set()
    unseen: list[tuple[SelectionSetNode, GraphQLNamedType | None]] = [(operation.selection_set, schema.mutation_type)]
    while unseen:
        selection, parent = unseen.pop()
        for node in selection.selections:
            if node.directives:
                continue
            match node:
                case FieldNode(name=name, selection_set=inner) if isinstance(
                    parent, GraphQLObjectType | GraphQLInterfaceType
                ):
                    field = schema.get_field(parent, name.value)
                    if field is not None and parent is not schema.mutation_type:
                        sizes.update(_sizes(node, operation))
                    if field is not None and inner is not None:
                        unseen.append((inner, get_named_type(field.type)))
                case InlineFragmentNode(type_condition=condition, selection_set=inner):
                    named = None if condition is None else schema.type_map.get(condition.name.value)
                    unseen.append((inner, named or parent))
                case FragmentSpreadNode(name=name) if name.value not in spread and name.value in fragments:
                    # Each fragment is checked once: its fields are the same wherever it is used.
                    spread.add(name.value)
                    fragment = fragments[name.value]
                    unseen.append((fragment.selection_set, schema.type_map.get(fragment.type_condition.name.value)))
    return AnswerRequirements(frozenset(sizes))


def _sizes(node: FieldNode, operation: OperationDefinitionNode) -> set[tuple[str, str | None, int | None]]:
    """The values of the field's arguments `first` and `last`, if it has them."""
    found: set[tuple[str, str | None, int | None]] = set()
    for argument in node.arguments or ():
        match argument.name.value, argument.value:
            case ("first" | "last") as key, IntValueNode(value=digits):
                found.add((key, None, int(digits)))
            case ("first" | "last") as key, VariableNode(name=name):
                defaults = (
                    int(one.default_value.value)
                    for one in operation.variable_definitions or ()
                    if one.variable.name.value == name.value and isinstance(one.default_value, IntValueNode)
                )
                found.add((key, name.value, next(defaults, None)))
    return found


def required_scopes(field: GraphQLField) -> tuple[str, ...]:
    """The scopes that the field needs."""
    declared = field.extensions.get("strawberry-definition")
    return tuple(
        scope
        for directive in getattr(declared, "directives", ())
        if isinstance(directive, NeedsScopes)
        for scope in directive.scopes
    )
