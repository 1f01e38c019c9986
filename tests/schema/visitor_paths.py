"""Documents that reach every field that a visitor's token can name, by introspection of the built schema."""

from collections.abc import Iterator
from typing import NamedTuple

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    is_introspection_type,
    is_required_argument,
)

from schema.base.fields import is_closed_to_visitors
from schema.base.visitor_table import FIELDS
from schema.execution.visitor_fields import rule_of
from schema.schema import schema
from tests.schema.test_scopes import value

API = schema._schema
ROOTS = tuple(root for root in (API.query_type, API.mutation_type, API.subscription_type) if root is not None)


class Reached(NamedTuple):
    """A field of an object type, and one way to it from a root field that is open to visitors."""

    kind: str
    name: str
    field: GraphQLField
    #: The operation, in which the selection of the field is the empty one or __typename.
    document: str
    #: The path of the field in the response.
    path: str


def object_types() -> Iterator[GraphQLObjectType]:
    """Every type of an answer but the roots."""
    for kind in API.type_map.values():
        if isinstance(kind, GraphQLObjectType) and kind not in ROOTS and not is_introspection_type(kind):
            yield kind


def open_root_fields() -> set[str]:
    """The root fields that are open to visitors."""
    return {
        f"{root.name}.{name}"
        for root in ROOTS
        for name, field in root.fields.items()
        if not is_closed_to_visitors(field)
    }


def reached() -> list[Reached]:
    """Every field of every type that an open root field leads to, with the shortest way to the type."""
    found: list[Reached] = []
    seen: set[str] = set()
    ways: list[tuple[GraphQLNamedType, str, str, str]] = []
    for root in ROOTS:
        for name, field in root.fields.items():
            if not is_closed_to_visitors(field):
                operation = {"Query": "query", "Mutation": "mutation", "Subscription": "subscription"}[root.name]
                ways.append((get_named_type(field.type), f"{operation} {{ {call(name, field)} {{", "} }", name))
    while ways:
        kind, before, after, path = ways.pop(0)
        if isinstance(kind, GraphQLInterfaceType):
            ways += [
                (one, f"{before} ... on {one.name} {{", f"}} {after}", path)
                for one in API.get_implementations(kind).objects
            ]
        elif isinstance(kind, GraphQLObjectType) and kind.name not in seen:
            seen.add(kind.name)
            for name, field in kind.fields.items():
                inner, called = get_named_type(field.type), call(name, field)
                composite = isinstance(inner, GraphQLObjectType | GraphQLInterfaceType)
                selection = " { __typename }" if composite else ""
                found.append(Reached(kind.name, name, field, f"{before} {called}{selection} {after}", f"{path}.{name}"))
                if composite and not ((rule := rule_of(field)) is not None and rule.hidden):
                    ways.append((inner, f"{before} {called} {{", f"}} {after}", f"{path}.{name}"))
    return found


def everything(kind: GraphQLNamedType, depth: int, prefix: str = "") -> str:
    """The selection of all fields of a type that visitors may select, to this depth.

    The fields of the types of an interface have the name of the type as a prefix: their types may differ.
    """
    if isinstance(kind, GraphQLInterfaceType):
        shown = [one for one in API.get_implementations(kind).objects if one.name in FIELDS]
        inner = [f"... on {one.name} {everything(one, depth, f'{one.name}_')}" for one in shown]
        return f"{{ __typename {' '.join(inner)} }}"
    if not isinstance(kind, GraphQLObjectType):
        return ""
    if not depth:
        return "{ __typename }"
    selected = ["__typename"]
    for name, field in kind.fields.items():
        rule, inner_kind = rule_of(field), get_named_type(field.type)
        if rule is None or not rule.refused:
            hidden = rule is not None and rule.hidden
            alias = f"{prefix}{name}: " if prefix else ""
            selected.append(f"{alias}{call(name, field)} {everything(inner_kind, 0 if hidden else depth - 1)}")
    return f"{{ {' '.join(selected)} }}"


def call(name: str, field: GraphQLField) -> str:
    """The field with the arguments that it requires."""
    required = {key: one.type for key, one in field.args.items() if is_required_argument(one)}
    arguments = ", ".join(f"{key}: {value(type_)}" for key, type_ in required.items())
    return f"{name}({arguments})" if arguments else name
