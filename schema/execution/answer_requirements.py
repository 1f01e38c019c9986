"""What the answer to a mutation reads beside the change itself, known before anything is changed.

A change whose answer cannot be given would come true and look as if it had been refused.
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
from resolvers.auth import access
from resolvers.auth.access import Caller
from schema.base.fields import NeedsScopes
from schema.execution.cost_limits import int_value


class AnswerRequirements(NamedTuple):
    """What stands behind @skip or @include is left out, for it may never be read."""

    #: What reading it needs; the scopes of the change itself are not among them.
    scopes: frozenset[str] = frozenset()
    #: What its pages are to hold: the variable that says so, and the number without one.
    sizes: frozenset[tuple[str | None, int | None]] = frozenset()

    def require(self, caller: Caller, variables: Mapping[str, Any]) -> None:
        """Raise Forbidden when the caller may not read it, and Invalid for a page that is too small or too large."""
        if self.scopes:
            access.require(caller, sorted(self.scopes))
        for variable, number in self.sizes:
            size = int_value(variables.get(variable, number) if variable else number)
            if size is not None:
                validation.page_size(size)


def find_requirements(schema: GraphQLSchema, document: DocumentNode) -> dict[str | None, AnswerRequirements]:
    """The answer of each mutation, by its name."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    return {
        None if node.name is None else node.name.value: _selected_fields(schema, fragments, node)
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode) and node.operation is OperationType.MUTATION
    }


def _selected_fields(
    schema: GraphQLSchema, fragments: dict[str, FragmentDefinitionNode], operation: OperationDefinitionNode
) -> AnswerRequirements:
    scopes: set[str] = set()
    sizes: set[tuple[str | None, int | None]] = set()
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
                        scopes.update(required_scopes(field))
                        sizes.update(_sizes(node, operation))
                    if field is not None and inner is not None:
                        unseen.append((inner, get_named_type(field.type)))
                case InlineFragmentNode(type_condition=condition, selection_set=inner):
                    named = None if condition is None else schema.type_map.get(condition.name.value)
                    unseen.append((inner, named or parent))
                case FragmentSpreadNode(name=name) if name.value not in spread and name.value in fragments:
                    # Once is enough: a fragment needs the same wherever it stands.
                    spread.add(name.value)
                    fragment = fragments[name.value]
                    unseen.append((fragment.selection_set, schema.type_map.get(fragment.type_condition.name.value)))
    return AnswerRequirements(frozenset(scopes), frozenset(sizes))


def _sizes(node: FieldNode, operation: OperationDefinitionNode) -> set[tuple[str | None, int | None]]:
    """What the field's `first` says, if it has one."""
    found: set[tuple[str | None, int | None]] = set()
    for argument in node.arguments or ():
        match argument.name.value, argument.value:
            case "first", IntValueNode(value=digits):
                found.add((None, int(digits)))
            case "first", VariableNode(name=name):
                defaults = (
                    int(one.default_value.value)
                    for one in operation.variable_definitions or ()
                    if one.variable.name.value == name.value and isinstance(one.default_value, IntValueNode)
                )
                found.add((name.value, next(defaults, None)))
    return found


def required_scopes(field: GraphQLField) -> tuple[str, ...]:
    """What the field itself asks of the token."""
    declared = field.extensions.get("strawberry-definition")
    return tuple(
        scope
        for directive in getattr(declared, "directives", ())
        if isinstance(directive, NeedsScopes)
        for scope in directive.scopes
    )
