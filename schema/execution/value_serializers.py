"""Serializers of values by their type in the API: as a function, and as source lines for a compiled selection.

A serializer takes a value that is not None. It raises any exception for a value that it cannot serialize; graphql-core
then completes the value and reports the error.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from graphql import GraphQLEnumType, GraphQLScalarType

#: Takes a value and the Execution. Returns the serialized value.
Serialize: TypeAlias = Callable[[Any, Any], Any]

#: The scalars that are not converted, with the class that their values must have.
IDENTITY_SCALARS: Mapping[str, type] = {"String": str, "ID": str, "Cursor": str, "Boolean": bool}
MIN_INT, MAX_INT = -(2**31), 2**31 - 1


class CannotSerialize(Exception):
    """The value has to be completed by graphql-core."""


class Serializer(NamedTuple):
    serialize: Serialize
    #: The same as lines of source, in which {v} is the name of the variable with the value, and {o} that of `object`.
    code: tuple[str, ...]
    #: The object that the lines use.
    object: Any = None

    @classmethod
    def calling(cls, serialize: Serialize) -> "Serializer":
        return cls(serialize, ("{v} = {o}({v}, execution)",), serialize)


def leaf_serializer(kind: GraphQLScalarType | GraphQLEnumType) -> Serializer:
    """The serializer of a scalar or an enum."""
    if isinstance(kind, GraphQLEnumType):
        names = {value.value: name for name, value in kind.values.items()}
        return Serializer(lambda value, _: names[value], ("{v} = {o}[{v}]",), names)
    if kind.name in IDENTITY_SCALARS:
        return _identity_serializer(IDENTITY_SCALARS[kind.name])
    if kind.name == "Int":
        return Serializer(
            _serialize_int,
            (f"if type({{v}}) is not int or not {MIN_INT} <= {{v}} <= {MAX_INT}: raise CannotSerialize",),
        )
    coerce = kind.coerce_output_value
    return Serializer(lambda value, _: coerce(value), ("{v} = {o}({v})",), coerce)


def _identity_serializer(expected: type) -> Serializer:
    def serialize(value: Any, _: Any) -> Any:
        if type(value) is not expected:
            raise CannotSerialize
        return value

    return Serializer(serialize, (f"if type({{v}}) is not {expected.__name__}: raise CannotSerialize",))


def _serialize_int(value: Any, _: Any) -> int:
    if type(value) is not int or not MIN_INT <= value <= MAX_INT:
        raise CannotSerialize
    return value


def list_serializer(item: Serializer, *, nullable: bool) -> Serializer:
    """The serializer of a list."""

    def serialize_item(value: Any, execution: Any) -> Any:
        if value is None:
            if nullable:
                return None
            raise CannotSerialize
        return item.serialize(value, execution)

    def serialize_list(values: Any, execution: Any) -> Any:
        if type(values) is not list:
            raise CannotSerialize
        return execution.serialize_list(values, serialize_item)

    return Serializer.calling(serialize_list)
