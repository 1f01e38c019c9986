"""The decorators that declare the types, inputs, enums and operations of the API.

Docstrings are the API's documentation: the docstring of a class is the description of its type, the string after an
attribute that of the field, and the docstring of a method that of the field it resolves. They are written for users of
the API.
"""

from collections.abc import Awaitable, Callable
from enum import EnumMeta
from functools import wraps
from typing import Any, TypeVar, cast, dataclass_transform

import msgspec
import strawberry
from graphql import GraphQLField
from strawberry.schema_directive import Location
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition
from strawberry.types.field import StrawberryField

from resolvers import acknowledgements
from resolvers.auth import access
from schema.base import docstrings
from schema.base.ids import InvalidId
from schema.base.visitor_arguments import require_open
from storage.errors import Invalid

Class = TypeVar("Class", bound=type)
Enumeration = TypeVar("Enumeration", bound=EnumMeta)
Method = TypeVar("Method", bound=Callable[..., Any])
Value = TypeVar("Value")

#: The key of the metadata of a root field that says whether it is open to visitors.
_OPEN_TO_VISITORS = "visitors"
#: The key of the metadata of a field whose value depends on who reads it, and not only on the permissions.
_PER_CALLER = "per_caller"
#: The key of the metadata of a field whose value depends on the record of the object alone.
_PURE = "pure"
#: The key of the metadata of a field with nodes of a list: the attribute with the entries.
_ENTRIES = "entries"
#: Fields that many types share. They follow the type's own fields, in this order.
SHARED_FIELDS = ("custom_fields", "custom_field", "if_revision", "ack", "client_mutation_id")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="needsScopes",
    description="The token must have all of these scopes. If the list is empty, any valid token is sufficient.",
)
class NeedsScopes:
    scopes: list[str]


# ---------------------------------------------------------------- types, inputs, enums


@dataclass_transform(kw_only_default=True)
def api_type(cls: Class) -> Class:
    """An object type of the API. Its docstrings are the descriptions."""
    return _set_descriptions(strawberry.type(cls, description=docstrings.class_descriptions(cls).get("")))


@dataclass_transform(kw_only_default=True)
def api_interface(cls: Class) -> Class:
    """An interface of the API. Its docstrings are the descriptions."""
    return _set_descriptions(strawberry.interface(cls, description=docstrings.class_descriptions(cls).get("")))


@dataclass_transform(kw_only_default=True)
def api_input(cls: Class) -> Class:
    """An input of the API. Its docstrings are the descriptions. Fields with a default are optional."""
    return _set_descriptions(strawberry.input(cls, description=docstrings.class_descriptions(cls).get("")))


@dataclass_transform(kw_only_default=True)
def api_one_of(cls: Class) -> Class:
    """An input of which exactly one field must be given (@oneOf)."""
    return _set_descriptions(strawberry.input(cls, description=docstrings.class_descriptions(cls).get(""), one_of=True))


def api_enum(cls: Enumeration) -> Enumeration:
    """An enum of the API. Its docstrings are the descriptions."""
    docs = docstrings.class_descriptions(cls)
    return describe_enum(cls, docs[""], **{name: doc for name, doc in docs.items() if name})


def describe_enum(cls: Enumeration, description: str, **values: str) -> Enumeration:
    """Add an enum of a lower layer to the API, with descriptions of the enum and of each value."""
    # An enum can be declared once only, and Strawberry declares it when a field of its type is declared.
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
    return _as_method(strawberry.field(resolver=method, description=docstrings.method_description(method)), method)


def pure_field(method: Method) -> Method:
    """A field that a method without arguments resolves from nothing but the record of the object, and from the roles
    and departments in memory. Lists keep it encoded (execution/entry_writers.py)."""
    declared = strawberry.field(
        resolver=method, description=docstrings.method_description(method), metadata={_PURE: True}
    )
    return _as_method(declared, method)


def entry_field(attribute: str) -> Callable[[Method], Method]:
    """A field with the node of an entry of a list, or with the nodes of all entries. The attribute has the Entry, or
    the list of them."""

    def declare(method: Method) -> Method:
        description = docstrings.method_description(method)
        return _as_method(
            strawberry.field(resolver=method, description=description, metadata={_ENTRIES: attribute}), method
        )

    return declare


def scoped_field(*scopes: str, per_caller: bool = False) -> Callable[[Method], Method]:
    """A field that a method resolves and that needs scopes of its own.

    `per_caller`: whether callers with the same permissions see different values. Their subscriptions share no results.
    """

    def declare(method: Method) -> Method:
        return _as_method(
            strawberry.field(
                resolver=method,
                description=_with_scopes(method, scopes),
                directives=[NeedsScopes(scopes=list(scopes))],
                metadata={_PER_CALLER: per_caller},
            ),
            method,
        )

    return declare


def query_field(operation: object, *, anonymous: bool = False, visitors: bool = False) -> Callable[[Method], Method]:
    """A root query. It needs the scopes of this operation of the resolvers, or no token if anonymous.

    `visitors`: whether it is open to visitors, without scopes.
    """

    def declare(method: Method) -> Method:
        description = _with_scopes(method, None if anonymous else _scopes(operation), visitors=visitors)
        directives = [] if anonymous else [_needs_scopes(operation)]
        resolver = method if anonymous else _scopes_first(operation, method, visitors=visitors)
        return _as_method(
            strawberry.field(
                resolver=resolver,
                description=description,
                directives=directives,
                metadata={_OPEN_TO_VISITORS: visitors},
            ),
            method,
        )

    return declare


def mutation_field(operation: object, *, anonymous: bool = False, visitors: bool = False) -> Callable[[Method], Method]:
    """A mutation. It needs the scopes of this operation of the resolvers, or no token if anonymous.

    `visitors`: whether it is open to visitors, without scopes.
    """

    def declare(method: Method) -> Method:
        description = _with_scopes(method, None if anonymous else _scopes(operation), visitors=visitors)
        directives = [] if anonymous else [_needs_scopes(operation)]
        checked = _ack_first(operation, method, visitors=visitors)
        resolver = method if anonymous else _scopes_first(operation, checked, visitors=visitors)
        return _as_method(
            strawberry.mutation(
                resolver=resolver,
                description=description,
                directives=directives,
                metadata={_OPEN_TO_VISITORS: visitors},
            ),
            method,
        )

    return declare


def subscription_field(operation: object, *, visitors: bool = False) -> Callable[[Method], Method]:
    """A subscription. It needs the scopes of this operation of the resolvers.

    `visitors`: whether it is open to visitors, without scopes.
    """

    def declare(method: Method) -> Method:
        description = _with_scopes(method, _scopes(operation), visitors=visitors)
        directives = [_needs_scopes(operation)]
        resolver = _scopes_first(operation, method, visitors=visitors)
        return _as_method(
            strawberry.subscription(
                resolver=resolver,
                description=description,
                directives=directives,
                metadata={_OPEN_TO_VISITORS: visitors},
            ),
            method,
        )

    return declare


def _scopes_first(operation: object, method: Method, *, visitors: bool) -> Method:
    """The method, closed to visitors unless it is opened.

    The error about a missing scope precedes the error about an id of the wrong kind.
    """

    @wraps(method)
    async def resolve(self: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
        caller = info.context.resolver_context.caller
        access.require_no_visitor(caller, unless=visitors)
        if caller.visitor is not None:
            require_open(kwargs, method)
        try:
            return await method(self, info, *args, **kwargs)
        except InvalidId:
            access.require(caller, _scopes(operation), visitors=visitors)
            raise

    return cast(Method, resolve)


def _ack_first(operation: object, method: Method, *, visitors: bool) -> Method:
    """The method, with the error about `ack` before an error about the other fields of the input.

    The operation itself checks `ack` first, but is not called if the input cannot be converted.
    """

    @wraps(method)
    async def resolve(self: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await method(self, info, *args, **kwargs)
        except Invalid:
            context = info.context.resolver_context
            if (ack := kwargs["input"].event_ack()) is not None:
                access.require(context.caller, _scopes(operation), visitors=visitors)
                access.require(context.caller, (acknowledgements.SCOPE,))
                await acknowledgements.require_unacknowledged(context, ack, context.reader)
            raise

    return cast(Method, resolve)


def is_closed_to_visitors(field: GraphQLField) -> bool:
    """Whether a root field is closed to visitors. Those that need no token are open to all."""
    definition = field.extensions.get("strawberry-definition")
    return (
        isinstance(definition, StrawberryField)
        and any(isinstance(directive, NeedsScopes) for directive in definition.directives)
        and not definition.metadata.get(_OPEN_TO_VISITORS)
    )


def is_per_caller(field: GraphQLField) -> bool:
    """Whether the value of the field depends on who reads it, and not only on the permissions."""
    definition = field.extensions.get("strawberry-definition")
    return isinstance(definition, StrawberryField) and bool(definition.metadata.get(_PER_CALLER))


def is_pure(definition: StrawberryField) -> bool:
    """Whether the value of the field depends on nothing but the record of its object, and on the reference data."""
    return definition.is_basic_field or (bool(definition.metadata.get(_PURE)) and not definition.arguments)


def entries_attribute(definition: StrawberryField) -> str | None:
    """The attribute with the entries whose nodes the field has. None for any other field."""
    attribute: str | None = definition.metadata.get(_ENTRIES)
    return attribute


def _as_method(field: Any, method: Method) -> Method:
    """The field, typed as the method that it replaces."""
    # As for fields of inputs: if the argument is left out, the default of the method applies.
    for argument in cast(StrawberryField, field).arguments:
        if argument.default is None:
            argument.default = strawberry.UNSET
    return cast(Method, field)


def as_awaitable(value: Awaitable[Value]) -> Value:
    """The awaitable, typed as its result: a field's method may return an awaitable, which the executor awaits."""
    return cast(Value, value)


def or_unset(value: Value) -> Value | msgspec.UnsetType:
    """The value of an input field, as resolvers expect it if leaving the field out differs from null."""
    return msgspec.UNSET if value is strawberry.UNSET else value


def or_none(value: Value | None) -> Value | None:
    """The value of one field of an `api_one_of` input; None if another field was given."""
    return None if value is strawberry.UNSET else value


# ---------------------------------------------------------------- descriptions


def _set_descriptions(cls: Class) -> Class:
    """Set the descriptions of the class's own fields, and move the shared fields to the end."""
    definition = cast(StrawberryObjectDefinition, cls.__strawberry_definition__)  # type: ignore[attr-defined]
    docs = {name: text for base in reversed(cls.__mro__) for name, text in docstrings.class_descriptions(base).items()}
    for field in definition.fields:
        if field.python_name in docs:
            field.description = docs[field.python_name]
        # Without a default of null in the schema, a field that is left out differs from null.
        if field.default_value is None:
            field.default_value = strawberry.UNSET
    definition.fields.sort(
        key=lambda field: SHARED_FIELDS.index(field.python_name) if field.python_name in SHARED_FIELDS else -1
    )
    return cls


# ---------------------------------------------------------------- scopes


def _scopes(operation: object) -> tuple[str, ...]:
    """The scopes of the operation. If empty, any valid token is sufficient."""
    scopes: tuple[str, ...] = getattr(operation, "scopes", ())
    return scopes


def _needs_scopes(operation: object) -> NeedsScopes:
    return NeedsScopes(scopes=list(_scopes(operation)))


def _with_scopes(method: Callable[..., object], scopes: tuple[str, ...] | None, *, visitors: bool = False) -> str:
    match scopes:
        case None:
            needs = "Needs no token."
        case ():
            needs = "Needs a valid token."
        case (scope,):
            needs = f"Needs the scope `{scope}`."
        case _:
            needs = f"Needs the scopes {' and '.join(f'`{scope}`' for scope in scopes)}."
    if visitors:
        needs += " Open to visitors without a scope, for their own rooms."
    return f"{docstrings.method_description(method)}\n\n{needs}"
