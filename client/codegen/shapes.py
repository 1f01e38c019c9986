"""Which fields of each type the client selects.

The rules:

- A field that needs a scope of its own, a required argument or a page of a list is left out.
- An entity inside an entity has only its own fields, and an agent the user of the agent. Its class is a summary.
- `current` of a snapshot is left out: it would be read from the database for each event.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    print_ast,
)

from codegen.names import SCALARS, python_name

#: Fields that cost a read for each object and that an app seldom needs.
LEFT_OUT = {"Message.room", "Message.inReplyTo", "Room.passedOver", "Room.lastServedBy", "Timer.room"}
#: Entities inside entities that are selected although their parent is a summary.
ALWAYS = {"Agent.user", "AgentSnapshot.user"}
#: Classes of records.py.
WRITTEN_BY_HAND = {"CustomField"}


@dataclass(frozen=True, slots=True)
class Member:
    """A field of a class."""

    graphql_name: str
    annotation: str
    #: The shape of the selected object. None for a scalar.
    shape: "Shape | None"
    description: str

    @property
    def name(self) -> str:
        return python_name(self.graphql_name)

    @property
    def selection(self) -> str:
        return self.graphql_name if self.shape is None else f"{self.graphql_name} {self.shape.selection}"


@dataclass(frozen=True, slots=True)
class Shape:
    """A type with the fields that are selected, and the name of its class."""

    name: str
    type: GraphQLObjectType
    members: tuple[Member, ...]

    @property
    def selection(self) -> str:
        return "{ " + " ".join(member.selection for member in self.members) + " }"


@dataclass(slots=True)
class Shapes:
    """All shapes that were asked for, each after the shapes that it contains."""

    by_name: dict[str, Shape] = field(default_factory=dict)

    def of(self, type_: GraphQLNamedType, *, summary: bool = False) -> Shape:
        assert isinstance(type_, GraphQLObjectType)
        summary = summary and any(contains_entity(type_, name) for name in type_.fields)
        name = f"{type_.name}Summary" if summary else type_.name
        if name not in self.by_name:
            members = tuple(self._members(type_, summary=summary))
            self.by_name[name] = Shape(name, type_, members)
        return self.by_name[name]

    def _members(self, type_: GraphQLObjectType, *, summary: bool) -> Iterator[Member]:
        for name, declared in type_.fields.items():
            if not is_selected(type_, name, declared):
                continue
            named = get_named_type(declared.type)
            inner: Shape | None = None
            if isinstance(named, GraphQLObjectType):
                if summary and contains_entity(type_, name):
                    continue
                inner = self.of(named, summary=is_entity(type_) and is_entity(named))
            annotation = annotate(declared.type, inner.name if inner else leaf(named))
            yield Member(name, annotation, inner, declared.description or "")


def is_selected(type_: GraphQLObjectType, name: str, declared: GraphQLField) -> bool:
    named = get_named_type(declared.type)
    return not (
        name in ("current", "edges", "totalCount")
        or f"{type_.name}.{name}" in LEFT_OUT
        or needs_scope(declared)
        or any(is_required_argument(argument) for argument in declared.args.values())
        or ("first" in declared.args)
        or not (is_leaf_type(named) or isinstance(named, GraphQLObjectType))
    )


def contains_entity(type_: GraphQLObjectType, name: str) -> bool:
    """Whether the field leads from an entity to another one, which summaries leave out."""
    declared = type_.fields[name]
    named = get_named_type(declared.type)
    return (
        is_selected(type_, name, declared)
        and isinstance(named, GraphQLObjectType)
        and is_entity(type_)
        and is_entity(named)
        and f"{type_.name}.{name}" not in ALWAYS
    )


def needs_scope(declared: GraphQLField) -> bool:
    directives = () if declared.ast_node is None else declared.ast_node.directives or ()
    return any(
        directive.name.value == "needsScopes" and print_ast(directive) != "@needsScopes(scopes: [])"
        for directive in directives
    )


def is_event(type_: GraphQLObjectType) -> bool:
    return any(interface.name == "Event" for interface in type_.interfaces)


def is_entity(type_: GraphQLObjectType) -> bool:
    """Whether the type is an entity or the snapshot of one."""
    return "current" in type_.fields or (
        not is_event(type_) and any(interface.name == "Node" for interface in type_.interfaces)
    )


def leaf(named: GraphQLNamedType) -> str:
    if isinstance(named, GraphQLScalarType):
        return SCALARS[named.name]
    assert isinstance(named, GraphQLEnumType)
    return f"enums.{named.name}"


def annotate(type_: GraphQLOutputType, name: str) -> str:
    if is_non_null_type(type_):
        inner = type_.of_type
        return f"tuple[{annotate(inner.of_type, name)}, ...]" if is_list_type(inner) else name
    if is_list_type(type_):
        return f"tuple[{annotate(type_.of_type, name)}, ...] | None"
    return name if name == "Any" else f"{name} | None"
