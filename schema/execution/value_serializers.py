"""How values of each type of the API are written: as a function, and as lines of a larger one (selection_compiler.py).

A writer takes a value that is not None. One that it cannot write makes it raise, no matter what: graphql-core then
looks at the same value, and knows how to tell of it.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from graphql import GraphQLEnumType, GraphQLScalarType

#: From a value, and the run that it is written in, to what is written of it.
Serialize: TypeAlias = Callable[[Any, Any], Any]

#: What is written as it is.
IDENTITY_SCALARS: Mapping[str, type] = {"String": str, "ID": str, "Cursor": str, "Boolean": bool}
MIN_INT, MAX_INT = -(2**31), 2**31 - 1


class CannotSerialize(Exception):
    """A value that no writer knows how to write."""


class Serializer(NamedTuple):
    serialize: Serialize
    #: The lines that do the same to a variable, in which {v} stands for its name and {o} for that of `object`.
    code: tuple[str, ...]
    #: What the lines need.
    object: Any = None

    @classmethod
    def calling(cls, write: Serialize) -> "Serializer":
        return cls(write, ("{v} = {o}({v}, execution)",), write)


def leaf_serializer(kind: GraphQLScalarType | GraphQLEnumType) -> Serializer:
    """Writes scalars and enums."""
    if isinstance(kind, GraphQLEnumType):
        names = {value.value: name for name, value in kind.values.items()}
        return Serializer(lambda value, _: names[value], ("{v} = {o}[{v}]",), names)
    if kind.name in IDENTITY_SCALARS:
        return _plain(IDENTITY_SCALARS[kind.name])
    if kind.name == "Int":
        return Serializer(
            _int, (f"if type({{v}}) is not int or not {MIN_INT} <= {{v}} <= {MAX_INT}: raise CannotSerialize",)
        )
    coerce = kind.coerce_output_value
    return Serializer(lambda value, _: coerce(value), ("{v} = {o}({v})",), coerce)


def _plain(expected: type) -> Serializer:
    def write(value: Any, _: Any) -> Any:
        if type(value) is not expected:
            raise CannotSerialize
        return value

    return Serializer(write, (f"if type({{v}}) is not {expected.__name__}: raise CannotSerialize",))


def _int(value: Any, _: Any) -> int:
    if type(value) is not int or not MIN_INT <= value <= MAX_INT:
        raise CannotSerialize
    return value


def list_serializer(item: Serializer, *, nullable: bool) -> Serializer:
    """Writes lists."""

    def write(value: Any, execution: Any) -> Any:
        if value is None:
            if nullable:
                return None
            raise CannotSerialize
        return item.serialize(value, execution)

    def write_all(values: Any, execution: Any) -> Any:
        if type(values) is not list:
            raise CannotSerialize
        return execution.write_all(values, write)

    return Serializer.calling(write_all)
