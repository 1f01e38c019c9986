"""Converters of arguments: from the values of graphql-core to those that resolvers take, as Strawberry converts them.

Strawberry looks at the types for every value. A converter is made once for each type of the schema.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any, TypeAlias

from graphql import GraphQLSchema
from strawberry.schema.config import StrawberryConfig
from strawberry.types.arguments import StrawberryArgument, _is_leaf_type, convert_argument
from strawberry.types.base import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryObjectDefinition,
    StrawberryOptional,
    has_object_definition,
)
from strawberry.types.enum import has_enum_definition
from strawberry.types.lazy_type import LazyType
from strawberry.types.unset import UNSET

Convert: TypeAlias = Callable[[Any], Any]


class ArgumentConverters:
    """The converters of one schema."""

    def __init__(self, scalars: Any, config: StrawberryConfig) -> None:
        self._scalars = scalars
        self._config = config
        #: By the input type. Those of other types are made for each argument and field.
        self._inputs: dict[object, Convert] = {}

    def arguments(self, arguments: list[StrawberryArgument]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
        """The function that converts the arguments of a field, as keyword arguments of its resolver."""
        converters = [
            (self._config.name_converter.from_argument(argument), argument.python_name, self.converter(argument.type))
            for argument in arguments
        ]

        def convert(values: Mapping[str, Any]) -> dict[str, Any]:
            return {python: convert(values[name]) for name, python, convert in converters if name in values}

        return convert

    def converter(self, kind: Any) -> Convert:
        """The converter of the values of a type."""
        match kind:
            case StrawberryMaybe():
                return self._by_strawberry(kind)
            case StrawberryOptional():
                return self.converter(kind.of_type)
            case StrawberryList():
                return _converter_of_list(self.converter(kind.of_type))
            case LazyType():
                return self.converter(kind.resolve_type())
        if has_enum_definition(kind) or _is_leaf_type(kind, self._scalars):
            return _identity
        if has_object_definition(kind) and kind.__strawberry_definition__.from_input is None:
            return self._inputs.get(kind) or self._converter_of_input(kind, kind.__strawberry_definition__)
        return self._by_strawberry(kind)

    def _by_strawberry(self, kind: Any) -> Convert:
        return lambda value: convert_argument(value, kind, self._scalars, self._config)

    def _converter_of_input(self, kind: Any, definition: StrawberryObjectDefinition) -> Convert:
        fields: dict[str, tuple[str, Convert]] = {}
        defaults = {
            field.python_name: None
            for field in definition.fields
            if definition.is_input and field.default_value is MISSING and field.default_factory is MISSING
        }

        def convert(value: Any) -> Any:
            if value is None or value is UNSET:
                return value
            arguments: dict[str, Any] = {**defaults}
            for name, one in value.items():
                if name in fields:
                    python, convert_one = fields[name]
                    arguments[python] = convert_one(one)
            return kind(**arguments)

        self._inputs[kind] = convert  # before its fields, which may have the same type
        for field in definition.fields:
            name = self._config.name_converter.from_field(field)
            fields[name] = field.python_name, self.converter(field.resolve_type(type_definition=definition))
        return convert


def converters_of(schema: GraphQLSchema) -> ArgumentConverters:
    """The converters of a schema, which are made at the first call."""
    declared: Any = schema
    converters: ArgumentConverters | None = getattr(declared, "switchboard_converters", None)
    if converters is None:
        strawberry_schema = declared._strawberry_schema
        converters = ArgumentConverters(strawberry_schema.schema_converter.scalar_registry, strawberry_schema.config)
        declared.switchboard_converters = converters
    return converters


def _identity(value: Any) -> Any:
    return value


def _converter_of_list(item: Convert) -> Convert:
    def convert(values: Any) -> Any:
        if values is None or values is UNSET:
            return values
        # Copied also if the items need no conversion: graphql-core gives the same default to every operation.
        return list(values) if item is _identity else [item(value) for value in values]

    return convert
