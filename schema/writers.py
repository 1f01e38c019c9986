"""How values of each type of the API are written: as a function, and as lines of a larger one (plans.py).

A writer takes a value that is not None. One that it cannot write makes it raise, no matter what: graphql-core then
looks at the same value, and knows how to tell of it.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from graphql import GraphQLEnumType, GraphQLScalarType

#: From a value, and the run that it is written in, to what is written of it.
Write: TypeAlias = Callable[[Any, Any], Any]

#: What is written as it is.
PLAIN: Mapping[str, type] = {"String": str, "ID": str, "Cursor": str, "Boolean": bool}
LEAST_INT, MOST_INT = -(2**31), 2**31 - 1


class Mismatch(Exception):
    """A value that no writer knows how to write."""


class Writer(NamedTuple):
    write: Write
    #: The lines that do the same to a variable, in which {v} stands for its name and {o} for that of `object`.
    lines: tuple[str, ...]
    #: What the lines need.
    object: Any = None

    @classmethod
    def calling(cls, write: Write) -> "Writer":
        return cls(write, ("{v} = {o}({v}, run)",), write)


def leaf(kind: GraphQLScalarType | GraphQLEnumType) -> Writer:
    """Writes scalars and enums."""
    if isinstance(kind, GraphQLEnumType):
        names = {value.value: name for name, value in kind.values.items()}
        return Writer(lambda value, _: names[value], ("{v} = {o}[{v}]",), names)
    if kind.name in PLAIN:
        return _plain(PLAIN[kind.name])
    if kind.name == "Int":
        return Writer(_int, (f"if type({{v}}) is not int or not {LEAST_INT} <= {{v}} <= {MOST_INT}: raise Mismatch",))
    coerce = kind.coerce_output_value
    return Writer(lambda value, _: coerce(value), ("{v} = {o}({v})",), coerce)


def _plain(expected: type) -> Writer:
    def write(value: Any, _: Any) -> Any:
        if type(value) is not expected:
            raise Mismatch
        return value

    return Writer(write, (f"if type({{v}}) is not {expected.__name__}: raise Mismatch",))


def _int(value: Any, _: Any) -> int:
    if type(value) is not int or not LEAST_INT <= value <= MOST_INT:
        raise Mismatch
    return value


def list_of(item: Writer, *, nullable: bool) -> Writer:
    """Writes lists."""

    def write(value: Any, run: Any) -> Any:
        if value is None:
            if nullable:
                return None
            raise Mismatch
        return item.write(value, run)

    def write_all(values: Any, run: Any) -> Any:
        if type(values) is not list:
            raise Mismatch
        return run.write_all(values, write)

    return Writer.calling(write_all)
