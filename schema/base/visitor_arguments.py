"""Refuses the arguments that are not open to visitors, by visitor_table.py, before anything is read or changed."""

import inspect
from collections.abc import Mapping
from enum import Enum
from typing import Any

import strawberry
from strawberry.types.base import has_object_definition
from strawberry.utils.str_converters import to_camel_case

from schema.base.visitor_table import ARGUMENTS, INPUTS, VALUES
from storage.errors import Forbidden


def require_open(arguments: Mapping[str, Any], method: Any) -> None:
    """Raise Forbidden for the first argument of a root field that visitors may not give.

    An argument counts as given if it is neither null nor the default of the method.
    """
    parameters = inspect.signature(method).parameters
    for python_name, value in arguments.items():
        name = to_camel_case(python_name)
        if not _is_given(value, parameters[python_name].default):
            continue
        if name not in ARGUMENTS:
            raise _refusal(name)
        _check(value, name)


def _check(value: Any, path: str) -> None:
    if isinstance(value, list):
        for index, one in enumerate(value):
            _check(one, f"{path}.{index}")
    elif isinstance(value, Enum):
        allowed = VALUES.get(type(value).__name__)
        if allowed is not None and value.name not in allowed:
            raise _refusal(path, f" to {value.name}")
    elif has_object_definition(type(value)):
        definition = type(value).__strawberry_definition__
        allowed = INPUTS.get(definition.name, frozenset())
        for field in definition.fields:
            given = getattr(value, field.python_name)
            if not _is_given(given, field.default):
                continue
            name = field.graphql_name or to_camel_case(field.python_name)
            # As in all errors, the path in the input of a mutation does not begin with `input`.
            inner = name if path == "input" else f"{path}.{name}"
            if name not in allowed:
                raise _refusal(inner)
            _check(given, inner)


def _is_given(value: Any, default: Any) -> bool:
    return value is not None and value is not strawberry.UNSET and value != default


def _refusal(path: str, suffix: str = "") -> Forbidden:
    return Forbidden(f"A visitor's token cannot set {path}{suffix}.", key=path)
