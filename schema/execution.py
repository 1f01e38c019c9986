"""How selections become answers: graphql-core's executor, with a short way for attributes that are plain values.

Most of what is asked for are attributes of objects that exist already. graphql-core builds a path, a resolve info and a
completion for each of them; the short way reads the attribute and writes its value. Whatever is not as expected, a
missing value or one of another type, goes the long way, which knows how to report it.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple, cast

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
)
from graphql.pyutils import Path, Undefined
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import Info
from strawberry.types.field import StrawberryField

#: What is written as it is. GraphQL's Int is not here: it has bounds.
PLAIN: Mapping[str, type] = {"String": str, "ID": str, "Cursor": str, "Boolean": bool}
#: Where the short ways of an object type are kept.
SHORT_WAYS = "switchboard-short-ways"


class Mismatch(Exception):
    """A value that the short way does not know how to write."""


class ShortWay(NamedTuple):
    read: Callable[[Any], Any]
    #: From a value that is not None. Raises Mismatch, or whatever a scalar raises.
    write: Callable[[Any], Any]
    nullable: bool


class Executor(StrawberryGraphQLCoreExecutionContext):
    """Executes one operation."""

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: Any,
        position: Any,
    ) -> Any:
        ways: Mapping[str, ShortWay] = parent_type.extensions.get(SHORT_WAYS, {})
        short: dict[str, Any] = {}
        rest = {}
        for name, details in grouped_field_set.items():
            value = _take(ways.get(details[0].node.name.value), source_value)
            if value is Undefined:
                rest[name] = details
            else:
                short[name] = value
        if not rest:
            return short
        results = super().execute_fields(parent_type, source_value, path, rest, position)
        if not short:
            return results
        return self._merged(grouped_field_set, short, results)

    def complete_list_value(
        self,
        return_type: GraphQLList[GraphQLOutputType],
        field_details_list: Any,
        info: Any,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        if type(result) is list:
            item_type = return_type.of_type
            if isinstance(item_type, GraphQLNonNull):
                item_type = item_type.of_type
            if isinstance(item_type, GraphQLObjectType) and item_type.is_type_of is None:
                rows = self._rows(item_type, field_details_list, result)
                if rows is not None:
                    return rows
        return super().complete_list_value(return_type, field_details_list, info, path, result, position_context)

    def _rows(
        self, item_type: GraphQLObjectType, field_details_list: Any, items: list[Any]
    ) -> list[dict[str, Any]] | None:
        """All of the items at once, if there is a short way to everything that is asked of them."""
        known: Mapping[str, ShortWay] = item_type.extensions.get(SHORT_WAYS, {})
        grouped, deferred, *_ = self.collect_subfields(item_type, field_details_list)
        ways = [(name, known.get(details[0].node.name.value)) for name, details in grouped.items()]
        if deferred or any(way is None for _, way in ways):
            return None
        rows = [{name: _take(way, item) for name, way in ways} for item in items]
        return None if any(Undefined in row.values() for row in rows) else rows

    def _merged(self, order: Any, short: dict[str, Any], results: Any) -> Any:
        """Everything in the order in which it was asked for, which GraphQL promises."""
        if not self.is_awaitable(results):
            short.update(results)
            return {name: short[name] for name in order if name in short}

        async def merged() -> dict[str, Any]:
            short.update(await results)
            return {name: short[name] for name in order if name in short}

        return merged()


def _take(way: ShortWay | None, source: Any) -> Any:
    """The value as it is to be written; Undefined when it has to go the long way."""
    if way is None:
        return Undefined
    try:
        value = way.read(source)
        if value is None:
            return None if way.nullable else Undefined
        return way.write(value)
    except Exception:  # whatever is wrong, the long way says so
        return Undefined


# ---------------------------------------------------------------- finding short ways


def prepare(api: GraphQLSchema) -> None:
    """Find the fields of the schema that have a short way, and call methods without arguments as they are."""
    for type_ in api.type_map.values():
        if isinstance(type_, GraphQLObjectType):
            ways = {}
            for name, field in type_.fields.items():
                declared = field.extensions.get("strawberry-definition")
                if isinstance(declared, StrawberryField):
                    _call_directly(field, declared)
                    if (way := _short_way(field, declared)) is not None:
                        ways[name] = way
            type_.extensions[SHORT_WAYS] = ways


def _call_directly(field: GraphQLField, declared: StrawberryField) -> None:
    resolver = declared.base_resolver
    if resolver is None or resolver.self_parameter is None or declared.arguments or declared.is_subscription:
        return
    method = cast(Callable[..., Any], resolver.wrapped_func)
    if resolver.info_parameter is None:
        field.resolve = lambda source, _: method(source)
    else:
        field.resolve = lambda source, info: method(source, Info(_raw_info=info, _field=declared))


def _short_way(field: GraphQLField, declared: StrawberryField) -> ShortWay | None:
    if not declared.is_basic_field or declared.is_subscription:
        return None
    nullable = not isinstance(field.type, GraphQLNonNull)
    write = _writer(cast(GraphQLNonNull[Any], field.type).of_type if not nullable else field.type)
    return None if write is None else ShortWay(attrgetter(declared.python_name), write, nullable)


def _writer(type_: GraphQLOutputType) -> Callable[[Any], Any] | None:
    match type_:
        case GraphQLScalarType(name=name) if name in PLAIN:
            return _of_type(PLAIN[name])
        case GraphQLScalarType():
            return type_.coerce_output_value
        case GraphQLEnumType():
            return _of_enum(type_)
        case GraphQLList(of_type=GraphQLNonNull(of_type=item)):
            return _of_list(_writer(item))
    return None


def _of_type(expected: type) -> Callable[[Any], Any]:
    def write(value: Any) -> Any:
        if type(value) is not expected:
            raise Mismatch
        return value

    return write


def _of_enum(type_: GraphQLEnumType) -> Callable[[Any], Any]:
    names = {value.value: name for name, value in type_.values.items()}
    return names.__getitem__


def _of_list(write: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    if write is None:
        return None

    def write_all(values: Any) -> list[Any]:
        if type(values) is not list:
            raise Mismatch
        return [write(value) for value in values]

    return write_all
