"""Hides from visitors what schema/base/visitor_table.py does not name.

A hidden list is empty, and a hidden field that can be null is null. Another hidden field makes the operation
FORBIDDEN before it runs (`find_refused`). `install` enforces the same while an operation runs, by graphql-core and by
compiled selections alike: each hidden field of the built schema gets a VisitorRule.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    default_field_resolver,
    get_named_type,
    is_introspection_type,
)

from schema.base.fields import is_closed_to_visitors
from schema.base.visitor_table import FIELDS, HIDDEN_VALUES
from storage.errors import Forbidden, QueryTooComplex, SwitchboardError

_EXTENSION = "switchboard-visitors"


class VisitorRule(NamedTuple):
    """What visitors see in place of a field."""

    #: Returns the value, or an awaitable of it, from the object and the `context` of the operation.
    resolve: Callable[..., Any]
    #: Whether visitors see nothing of the field.
    hidden: bool = True
    #: Whether the field cannot be hidden, so that an operation that selects it is refused.
    refused: bool = False


def rule_of(field: GraphQLField) -> VisitorRule | None:
    """What visitors see in place of the field. None: the field itself."""
    rule: VisitorRule | None = field.extensions.get(_EXTENSION)
    return rule


def is_visitor(context: Any) -> bool:
    """Whether the caller of an operation is a visitor, from its RequestContext."""
    resolver_context = getattr(context, "resolver_context", None)
    return resolver_context is not None and resolver_context.caller.visitor is not None


def install(schema: GraphQLSchema, values: Mapping[str, Callable[..., Any]]) -> None:
    """Give each field that visitors do not see as it is a VisitorRule, and let its resolver apply it.

    `values` are the functions that return what visitors see of a field that the table names, by `Type.field`.
    """
    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
    for kind in schema.type_map.values():
        if not isinstance(kind, GraphQLObjectType) or kind in roots or is_introspection_type(kind):
            continue
        for name, field in kind.fields.items():
            place = f"{kind.name}.{name}"
            rule = VisitorRule(values[place], hidden=False) if place in values else _rule(kind.name, name, field)
            if rule is not None:
                field.extensions = {**field.extensions, _EXTENSION: rule}
                field.resolve = _applying(rule, field.resolve or default_field_resolver)


def _rule(kind: str, name: str, field: GraphQLField) -> VisitorRule | None:
    if name in FIELDS.get(kind, ()):
        return None
    place = f"{kind}.{name}"
    if place in HIDDEN_VALUES:
        value = HIDDEN_VALUES[place]
        return VisitorRule(lambda _, context: value)
    if isinstance(field.type, GraphQLNonNull):
        if not isinstance(field.type.of_type, GraphQLList):
            return VisitorRule(_refuse(place), refused=True)
        return VisitorRule(lambda _, context: [])
    if isinstance(field.type, GraphQLList):
        return VisitorRule(lambda _, context: [])
    return VisitorRule(lambda _, context: None)


def _refuse(place: str) -> Callable[..., Any]:
    def refuse(_: Any, context: Any) -> Any:
        raise _refusal(place)

    return refuse


def _refusal(path: str) -> Forbidden:
    return Forbidden(f"A visitor's token cannot read {path}.", key=path)


def _applying(rule: VisitorRule, resolve: Callable[..., Any]) -> Callable[..., Any]:
    """The resolver of a field, which applies the rule for visitors."""

    def resolve_for_caller(source: Any, info: Any, **arguments: Any) -> Any:
        if is_visitor(info.context):
            return rule.resolve(source, context=info.context)
        return resolve(source, info, **arguments)

    return resolve_for_caller


# ---------------------------------------------------------------- documents


class Refusal(NamedTuple):
    """Why visitors cannot run an operation."""

    #: The path of a field that cannot be hidden. None: the operation makes several changes.
    path: str | None

    def error(self) -> SwitchboardError:
        if self.path is not None:
            return _refusal(self.path)
        return QueryTooComplex("A mutation of a visitor may have one field at its root; send one after the other.")


def find_refusals(schema: GraphQLSchema, document: DocumentNode) -> Mapping[str | None, Refusal]:
    """Why visitors cannot run the operations of a document, by operation name. Others are absent.

    Fields with @skip and @include count as selected.
    """
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    found: dict[str | None, Refusal] = {}
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            refusal = _Selections(schema, fragments).refusal(node)
            if refusal is not None:
                found[None if node.name is None else node.name.value] = refusal
    return found


class _Selections:
    """The selections of one operation."""

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._schema = schema
        self._fragments = fragments
        self._spread: set[str] = set()
        self._root_fields = 0

    def refusal(self, operation: OperationDefinitionNode) -> Refusal | None:
        root = self._schema.get_root_type(operation.operation)
        refused = self._find(operation.selection_set, root, ())
        if refused is not None:
            return Refusal(refused)
        # The rate of a visitor counts operations, so a mutation makes one change.
        if operation.operation is OperationType.MUTATION and self._root_fields > 1:
            return Refusal(None)
        return None

    def _find(self, selection: SelectionSetNode, parent: GraphQLNamedType | None, path: tuple[str, ...]) -> str | None:
        """The path of the first selected field that cannot be hidden, or None."""
        for node in selection.selections:
            match node:
                case FieldNode():
                    found = self._find_in_field(node, parent, (*path, (node.alias or node.name).value))
                case InlineFragmentNode(type_condition=condition, selection_set=inner):
                    named = parent if condition is None else self._schema.type_map.get(condition.name.value)
                    found = self._find(inner, named, path)
                case FragmentSpreadNode(name=name) if name.value not in self._spread and name.value in self._fragments:
                    # Each fragment is searched once: its fields are the same wherever it is spread.
                    self._spread.add(name.value)
                    fragment = self._fragments[name.value]
                    named = self._schema.type_map.get(fragment.type_condition.name.value)
                    found = self._find(fragment.selection_set, named, path)
                case _:
                    found = None
            if found is not None:
                return found
        return None

    def _find_in_field(self, node: FieldNode, parent: GraphQLNamedType | None, path: tuple[str, ...]) -> str | None:
        if len(path) == 1:
            self._root_fields += 1
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            return None
        field = parent.fields.get(node.name.value)
        if field is None or (len(path) == 1 and is_closed_to_visitors(field)):  # refused when it is resolved
            return None
        rules = [rule_of(one) for one in self._fields(parent, node.name.value)]
        if not rules or any(rule is not None and rule.refused for rule in rules):
            return ".".join(path)
        # Nothing is resolved below a hidden field.
        if node.selection_set is None or all(rule is not None and rule.hidden for rule in rules):
            return None
        return self._find(node.selection_set, get_named_type(field.type), path)

    def _fields(self, parent: GraphQLObjectType | GraphQLInterfaceType, name: str) -> list[GraphQLField]:
        """The field in the object types that visitors may see, and that a value of `parent` can have."""
        if isinstance(parent, GraphQLObjectType):
            return [parent.fields[name]]
        implementing = self._schema.get_implementations(parent).objects
        return [kind.fields[name] for kind in implementing if kind.name in FIELDS]
