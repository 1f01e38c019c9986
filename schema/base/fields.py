"""The decorators that types, inputs, enums and operations are declared with; what is declared stands in the nouns'
files.

Docstrings are the API's documentation: a class's becomes the description of its type, the string after an attribute
that of the field, a method's that of the field it resolves. They are written for API users.
"""

from collections.abc import Awaitable, Callable
from enum import EnumMeta
from functools import wraps
from typing import Any, TypeVar, cast, dataclass_transform

import msgspec
import strawberry
from strawberry.schema_directive import Location
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition
from strawberry.types.field import StrawberryField

from resolvers.auth import access
from schema.base import docstrings
from schema.base.ids import InvalidId

Class = TypeVar("Class", bound=type)
Enumeration = TypeVar("Enumeration", bound=EnumMeta)
Method = TypeVar("Method", bound=Callable[..., Any])
Value = TypeVar("Value")

#: Fields that many types have in common, in the order in which they follow a type's own.
SHARED_FIELDS = ("custom_fields", "custom_field", "if_revision", "client_mutation_id")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="needsScopes",
    description="The token must have all of these scopes. With none named, any valid token will do.",
)
class NeedsScopes:
    scopes: list[str]


# ---------------------------------------------------------------- types, inputs, enums


@dataclass_transform(kw_only_default=True)
def api_type(cls: Class) -> Class:
    """An object type of the API, described by its docstrings."""
    return _described(strawberry.type(cls, description=docstrings.of_class(cls).get("")))


@dataclass_transform(kw_only_default=True)
def api_interface(cls: Class) -> Class:
    """An interface of the API, described by its docstrings."""
    return _described(strawberry.interface(cls, description=docstrings.of_class(cls).get("")))


@dataclass_transform(kw_only_default=True)
def api_input(cls: Class) -> Class:
    """An input of the API, described by its docstrings; fields with a default may be left out."""
    return _described(strawberry.input(cls, description=docstrings.of_class(cls).get("")))


@dataclass_transform(kw_only_default=True)
def api_one_of(cls: Class) -> Class:
    """An input of which exactly one field is given (@oneOf)."""
    return _described(strawberry.input(cls, description=docstrings.of_class(cls).get(""), one_of=True))


def api_enum(cls: Enumeration) -> Enumeration:
    """An enum of the API, described by its docstrings."""
    docs = docstrings.of_class(cls)
    return describe_enum(cls, docs[""], **{name: doc for name, doc in docs.items() if name})


def describe_enum(cls: Enumeration, description: str, **values: str) -> Enumeration:
    """Puts an enum of a lower layer into the API under its own name; describes it and each of its values."""
    # Strawberry declares an enum by itself when a field of it is declared first, and there can be one declaration only.
    if not has_enum_definition(cls):
        strawberry.enum(cls)
    definition = cast(StrawberryEnumDefinition, cls.__strawberry_definition__)  # type: ignore[attr-defined]
    definition.description = description
    for value in definition.values:
        value.description = values.pop(value.name)
    if values:
        raise ValueError(f"{cls.__name__} has no {', '.join(values)}")
    return cls


# ---------------------------------------------------------------- fields and operations


def field(method: Method) -> Method:
    """A field that a method resolves."""
    return _declared(strawberry.field(resolver=method, description=docstrings.of_method(method)), method)


def scoped_field(*scopes: str) -> Callable[[Method], Method]:
    """A field that a method resolves, and that needs scopes of its own."""

    def declare(method: Method) -> Method:
        directives = [NeedsScopes(scopes=list(scopes))]
        description = _with_scopes(method, scopes)
        return _declared(strawberry.field(resolver=method, description=description, directives=directives), method)

    return declare


def query_field(operation: object) -> Callable[[Method], Method]:
    """A root query, which needs the scopes that this operation of the resolvers declares."""

    def declare(method: Method) -> Method:
        description = _with_scopes(method, _scopes(operation))
        directives = [_needs_scopes(operation)]
        resolver = _scopes_first(operation, method)
        return _declared(strawberry.field(resolver=resolver, description=description, directives=directives), method)

    return declare


def mutation_field(operation: object, *, anonymous: bool = False) -> Callable[[Method], Method]:
    """A mutation, which needs the scopes that this operation of the resolvers declares, or no token when anonymous."""

    def declare(method: Method) -> Method:
        description = _with_scopes(method, None if anonymous else _scopes(operation))
        directives = [] if anonymous else [_needs_scopes(operation)]
        resolver = method if anonymous else _scopes_first(operation, method)
        return _declared(strawberry.mutation(resolver=resolver, description=description, directives=directives), method)

    return declare


def subscription_field(operation: object) -> Callable[[Method], Method]:
    """A subscription, which needs the scopes that this operation of the resolvers declares."""

    def declare(method: Method) -> Method:
        description = _with_scopes(method, _scopes(operation))
        directives = [_needs_scopes(operation)]
        resolver = _scopes_first(operation, method)
        return _declared(
            strawberry.subscription(resolver=resolver, description=description, directives=directives), method
        )

    return declare


def _scopes_first(operation: object, method: Method) -> Method:
    """The method, where a missing scope is told before an id of the wrong kind."""

    @wraps(method)
    async def resolve(self: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await method(self, info, *args, **kwargs)
        except InvalidId:
            access.require(info.context.resolver_context.caller, _scopes(operation))
            raise

    return cast(Method, resolve)


def _declared(declared: Any, method: Method) -> Method:
    """The field in the method's place, typed as the method."""
    # As with fields of inputs: the method's own default is used where an argument is left out.
    for argument in cast(StrawberryField, declared).arguments:
        if argument.default is None:
            argument.default = strawberry.UNSET
    return cast(Method, declared)


def as_awaitable(value: Awaitable[Value]) -> Value:
    """What a plain method answers when it has to wait: typed as the result, since the executor awaits what it gets."""
    return cast(Value, value)


def or_unset(value: Value) -> Value | msgspec.UnsetType:
    """The value of an input field whose absence means something else than null, as resolvers expect it."""
    return msgspec.UNSET if value is strawberry.UNSET else value


def or_none(value: Value | None) -> Value | None:
    """The value of one field of a choice, None when it is not the one that was given."""
    return None if value is strawberry.UNSET else value


# ---------------------------------------------------------------- descriptions


def _described(cls: Class) -> Class:
    """Gives the class's own fields their descriptions, and the fields it shares with others their place at the end."""
    definition = cast(StrawberryObjectDefinition, cls.__strawberry_definition__)  # type: ignore[attr-defined]
    docs = {name: text for base in reversed(cls.__mro__) for name, text in docstrings.of_class(base).items()}
    for field in definition.fields:
        if field.python_name in docs:
            field.description = docs[field.python_name]
        # A default of null is none: to leave a field out and to give null are two things in the API's documents.
        if field.default_value is None:
            field.default_value = strawberry.UNSET
    definition.fields.sort(
        key=lambda field: SHARED_FIELDS.index(field.python_name) if field.python_name in SHARED_FIELDS else -1
    )
    return cls


# ---------------------------------------------------------------- scopes


def _scopes(operation: object) -> tuple[str, ...]:
    """What the operation declares; one that declares nothing is content with any valid token."""
    scopes: tuple[str, ...] = getattr(operation, "scopes", ())
    return scopes


def _needs_scopes(operation: object) -> NeedsScopes:
    return NeedsScopes(scopes=list(_scopes(operation)))


def _with_scopes(method: Callable[..., object], scopes: tuple[str, ...] | None) -> str:
    match scopes:
        case None:
            needs = "Needs no token."
        case ():
            needs = "Needs a valid token, with any scopes."
        case (scope,):
            needs = f"Needs the scope `{scope}`."
        case _:
            needs = f"Needs the scopes {' and '.join(f'`{scope}`' for scope in scopes)}."
    return f"{docstrings.of_method(method)}\n\n{needs}"
