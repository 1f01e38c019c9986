"""How inputs come from what graphql-core has read of them: found out once for each type, where Strawberry finds it out
anew, names and types of all fields included, for every value."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from functools import lru_cache
from typing import Any, NamedTuple

from graphql import GraphQLInputObjectType, GraphQLSchema
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.name_converter import NameConverter
from strawberry.types.arguments import InputContext
from strawberry.types.base import (
    StrawberryList,
    StrawberryObjectDefinition,
    StrawberryOptional,
    StrawberryType,
    has_object_definition,
)
from strawberry.types.lazy_type import LazyType


class CachedNameConverter(NameConverter):
    """Strawberry's names, each made once."""

    apply_naming_config = lru_cache(maxsize=None)(NameConverter.apply_naming_config)


class InputField(NamedTuple):
    """One field of an input."""

    name: str
    python_name: str
    #: None: the value is taken as it is.
    convert: Callable[[Any, InputContext], Any] | None


def install(api: GraphQLSchema) -> None:
    """Let inputs be made in the quick way."""
    strawberry: Any = api
    config: StrawberryConfig = strawberry._strawberry_schema.config
    for kind in api.type_map.values():
        if isinstance(kind, GraphQLInputObjectType):
            definition: StrawberryObjectDefinition = kind.extensions["strawberry-definition"]
            definition.from_input = _input_maker(definition, config)


def _input_maker(
    definition: StrawberryObjectDefinition, config: StrawberryConfig
) -> Callable[[type, Mapping[str, Any], InputContext], Any]:
    parts: list[InputField] = []
    # Fields that may be left out and have no default, in Strawberry's sense, are None then.
    absent = {
        field.python_name: None
        for field in definition.fields
        if field.default_value is MISSING and field.default_factory is MISSING
    }

    def make(kind: type, given: Mapping[str, Any], context: InputContext) -> Any:
        if not parts:  # at the first use, when all types are there that types refer to
            for field in definition.fields:
                type_ = field.resolve_type(type_definition=definition)
                parts.append(InputField(config.name_converter.from_field(field), field.python_name, _converter(type_)))
        values: dict[str, Any] = absent.copy()
        for name, python_name, convert in parts:
            if name in given:
                value = given[name]
                values[python_name] = value if value is None or convert is None else convert(value, context)
        return kind(**values)

    return make


def _converter(type_: StrawberryType | type) -> Callable[[Any, InputContext], Any] | None:
    if isinstance(type_, LazyType):
        return _converter(type_.resolve_type())
    if isinstance(type_, StrawberryOptional):
        return _converter(type_.of_type)
    if isinstance(type_, StrawberryList):
        convert = _converter(type_.of_type)
        if convert is None:
            return lambda values, _: list(values)  # graphql-core gives the same default to everybody
        return lambda values, context: [None if value is None else convert(value, context) for value in values]
    if has_object_definition(type_):
        make = type_.__strawberry_definition__.from_input
        assert make is not None
        return lambda value, context: make(type_, value, context)
    return None
