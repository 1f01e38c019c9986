"""What the answer to an operation reads beside its root fields, known before anything is changed."""

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
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
)

from schema.fields import Requires


def scopes_of_answers(schema: GraphQLSchema, document: DocumentNode) -> dict[str | None, frozenset[str]]:
    """By the name of each mutation, the scopes that its answer needs; those of the change itself are not among them.

    Without them the change would come true and the answer say that it was refused. What stands behind @skip or @include
    is left out, for it may never be read.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    return {
        None if node.name is None else node.name.value: _beneath(schema, fragments, node)
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode) and node.operation is OperationType.MUTATION
    }


def _beneath(
    schema: GraphQLSchema, fragments: dict[str, FragmentDefinitionNode], operation: OperationDefinitionNode
) -> frozenset[str]:
    scopes: set[str] = set()
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
    return frozenset(scopes)


def required_scopes(field: GraphQLField) -> tuple[str, ...]:
    """What the field itself asks of the token."""
    declared = field.extensions.get("strawberry-definition")
    return tuple(
        scope
        for directive in getattr(declared, "directives", ())
        if isinstance(directive, Requires)
        for scope in directive.scopes
    )
