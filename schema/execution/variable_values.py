"""The values of variables and arguments, as graphql-core coerces them, if they are correct.

graphql-core looks at the types of all fields of an input for every value. A coercion is made once for each type of the
schema, and used by all documents. It leaves to graphql-core what is not correct, because of its error messages, and
what is rare: defaults of variables, and inputs that contain themselves, whose depth graphql-core bounds.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    Undefined,
    VariableDefinitionNode,
    VariableNode,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, get_argument_values
from graphql.pyutils import is_iterable
from graphql.type import is_required_input_field
from graphql.utilities.coerce_input_value import coerce_default_value

#: Returns the coerced value, or Undefined if the value is not correct.
Coerce: TypeAlias = Callable[[Any], Any]


class _Variable(NamedTuple):
    name: str
    signature: GraphQLVariableSignature
    #: Whether it may be left out without a value.
    optional: bool
    coerce: Coerce


class VariableCoercion:
    """The coercion of the variables of one operation."""

    def __init__(self, variables: Sequence[_Variable]) -> None:
        self._variables = variables

    def coerce(self, given: Mapping[str, Any]) -> VariableValues | None:
        """What `get_variable_values` of graphql-core returns. None if graphql-core has to coerce the values."""
        sources: dict[str, VariableValueSource] = {}
        coerced: dict[str, Any] = {}
        for name, signature, optional, coerce in self._variables:
            if name not in given:
                if not optional:
                    return None
                sources[name] = VariableValueSource(signature)
                continue
            value = given[name]
            sources[name] = VariableValueSource(signature, value)
            result = coerced[name] = coerce(value)
            if result is Undefined:
                return None
        return VariableValues(sources, coerced)


def coercion_of(schema: GraphQLSchema, definitions: Sequence[VariableDefinitionNode]) -> VariableCoercion | None:
    """The coercion of these variables. None if graphql-core has to coerce all their values."""
    coercions = _coercions_of(schema)
    variables: list[_Variable] = []
    for definition in definitions:
        signature = get_variable_signature(schema, definition)
        if isinstance(signature, GraphQLError):
            return None
        optional = not isinstance(signature.type, GraphQLNonNull) and signature.default is None
        variables.append(_Variable(signature.name, signature, optional, coercions.coerce(signature.type)))
    return VariableCoercion(variables)


def argument_values(field: GraphQLField, node: FieldNode) -> Callable[[VariableValues], dict[str, Any]]:
    """The function that returns what `get_argument_values` of graphql-core returns for a node of the field."""
    if not field.args:
        return lambda _: {}
    #: The variables of the arguments, by the name of the argument.
    names = {
        field.args[argument.name.value].out_name or argument.name.value: argument.value.name.value
        for argument in node.arguments or ()
        if isinstance(argument.value, VariableNode)
    }

    def values(variables: VariableValues) -> dict[str, Any]:
        if len(names) == len(field.args):
            found = {argument: variables.coerced.get(variable) for argument, variable in names.items()}
            if not any(value is None for value in found.values()):
                return found
        return get_argument_values(field, node, variables)

    return values


class _Coercions:
    """The coercions of the types of one schema."""

    def __init__(self) -> None:
        #: Those of inputs, by name.
        self._inputs: dict[str, Coerce] = {}

    def coerce(self, kind: GraphQLInputType) -> Coerce:
        """The coercion to a type."""
        match kind:
            case GraphQLNonNull(of_type=inner):
                return _not_null(self.coerce(inner))
            case GraphQLList(of_type=item):
                return _nullable(_list(self.coerce(item)))
            case GraphQLInputObjectType(name=name):
                if name not in self._inputs:
                    self._inputs[name] = _nullable(_by_core)  # for its fields of the same type
                    self._inputs[name] = self._input(kind)
                return self._inputs[name]
        return _nullable(_leaf(kind))

    def _input(self, kind: GraphQLInputObjectType) -> Coerce:
        fields = [
            (
                name,
                field.out_name or name,
                self.coerce(field.type),
                is_required_input_field(field),
                Undefined if is_required_input_field(field) else coerce_default_value(field),
            )
            for name, field in kind.fields.items()
        ]
        names = frozenset(kind.fields)

        def coerce(value: Any) -> Any:
            if not isinstance(value, dict) or not names.issuperset(value):
                return Undefined
            result: dict[str, Any] = {}
            for name, out_name, coerce_field, required, default in fields:
                if name in value:
                    coerced = result[out_name] = coerce_field(value[name])
                    if coerced is Undefined:
                        return Undefined
                elif required:
                    return Undefined
                elif default is not Undefined:
                    result[out_name] = default
            if kind.is_one_of and (len(value) != 1 or len(result) != 1 or next(iter(result.values())) is None):
                return Undefined
            return kind.out_type(result)

        return _nullable(coerce)


def _coercions_of(schema: GraphQLSchema) -> _Coercions:
    """The coercions of a schema, which are made at the first call."""
    declared: Any = schema
    coercions: _Coercions | None = getattr(declared, "switchboard_coercions", None)
    if coercions is None:
        coercions = declared.switchboard_coercions = _Coercions()
    return coercions


def _by_core(_: Any) -> Any:
    return Undefined


def _not_null(coerce: Coerce) -> Coerce:
    return lambda value: Undefined if value is None else coerce(value)


def _nullable(coerce: Coerce) -> Coerce:
    return lambda value: None if value is None else coerce(value)


def _list(coerce_item: Coerce) -> Coerce:
    def coerce(value: Any) -> Any:
        items = [coerce_item(item) for item in (value if is_iterable(value) else [value])]
        return Undefined if any(item is Undefined for item in items) else items

    return coerce


def _leaf(kind: Any) -> Coerce:
    def coerce(value: Any) -> Any:
        try:
            return kind.coerce_input_value(value)
        except Exception:
            return Undefined

    return coerce
