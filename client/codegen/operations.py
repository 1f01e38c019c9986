"""Renders the module of operations: one method for each query, mutation and subscription."""

from collections.abc import Iterator

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
    print_ast,
)

from codegen.names import capitalized, docstring, python_name
from codegen.shapes import Shapes, annotate, leaf
from codegen.types import input_annotation

#: Operations that api.py has in another form.
WRITTEN_BY_HAND = {"events", "node", "nodes"}
#: Subscriptions of one type of event each. `events` has them all.
SINGLE = {"roomStarted", "routingRequested", "agentAssigned", "agentUnassigned", "roomClosed", "messageSent"}
#: Mutations whose result is a secret: the server runs them again when they are repeated.
NOT_REPEATABLE = {"login", "createApp", "rotateAppToken", "createVisitorSession"}
HEADER = '''"""Every operation of the API as a method, and its document."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from msgspec import UNSET, UnsetType

from switchboard_client.generated import enums, inputs, types
from switchboard_client.generated.events import Event
from switchboard_client.operation import Operation
from switchboard_client.records import FieldValue

T = TypeVar("T")


class Operations(ABC):
    """The operations of the API."""

    @abstractmethod
    async def _query(self, operation: Operation[T], variables: Mapping[str, Any]) -> T:
        """Run a query. Arguments that are None are left out."""

    @abstractmethod
    async def _mutate(
        self, operation: Operation[T], fields: Mapping[str, Any], client_mutation_id: str | None, ack: Event | None
    ) -> T:
        """Run a mutation. Fields that are UNSET are left out."""

    @abstractmethod
    def _subscribe(self, operation: Operation[T], variables: Mapping[str, Any]) -> AsyncGenerator[T, None]:
        """Subscribe, and subscribe again when the connection is lost. Arguments that are None are left out."""

'''


def render_operations(schema: GraphQLSchema, shapes: Shapes) -> str:
    constants, methods = [], []
    for root in (schema.query_type, schema.mutation_type, schema.subscription_type):
        assert root is not None
        for name, declared in root.fields.items():
            if name in WRITTEN_BY_HAND or (root is schema.subscription_type and name in SINGLE):
                continue
            kind = root.name.lower()
            constant = f"{kind}_{python_name(name)}".upper()
            result, selection = _result(declared, shapes)
            constants.append(_constant(constant, kind, name, declared, result, selection))
            method = _mutation if kind == "mutation" else _subscription if kind == "subscription" else _query
            methods.append(method(constant, name, declared, result))
    return HEADER + "\n".join(methods) + "\n\n" + "\n".join(constants)


def _result(declared: GraphQLField, shapes: Shapes) -> tuple[str, str]:
    """The annotation of the result, and its selection."""
    named = get_named_type(declared.type)
    if is_leaf_type(named):
        return annotate(declared.type, leaf(named)), ""
    shape = shapes.of(named)
    return annotate(declared.type, f"types.{shape.name}"), f" {shape.selection}"


def _constant(constant: str, kind: str, name: str, declared: GraphQLField, result: str, selection: str) -> str:
    arguments = declared.args.items()
    variables = ", ".join(f"${key}: {argument.type}{_default(argument)}" for key, argument in arguments)
    passed = ", ".join(f"{key}: ${key}" for key, _ in arguments)
    declared_variables, arguments_ = (f"({variables})", f"({passed})") if arguments else ("", "")
    document = f"{kind} {capitalized(name)}{declared_variables} {{ result: {name}{arguments_}{selection} }}"
    if kind == "mutation":
        result = result.removesuffix(" | None")
    options = ", repeatable=False" if name in NOT_REPEATABLE else ""
    options += ", resumable=True" if kind == "subscription" and "after" in declared.args else ""
    return f'{constant}: Operation[{result}] = Operation("{document}", {result}{options})\n'


def _default(argument: GraphQLArgument) -> str:
    """The default of an argument, for the variable that may be left out."""
    node = None if argument.ast_node is None else argument.ast_node.default_value
    return "" if node is None else f" = {print_ast(node)}"


def _query(constant: str, name: str, declared: GraphQLField, result: str) -> str:
    return (
        f"    async def {python_name(name)}(self{_arguments(declared)}) -> {result}:\n"
        f"{docstring(declared.description, ' ' * 8)}"
        f"        return await self._query({constant}, {{{_passed(declared.args)}}})\n"
    )


def _subscription(constant: str, name: str, declared: GraphQLField, result: str) -> str:
    return (
        f"    def {python_name(name)}_live(self{_arguments(declared)}) -> AsyncGenerator[{result}, None]:\n"
        f"{docstring(declared.description, ' ' * 8)}"
        f"        return self._subscribe({constant}, {{{_passed(declared.args)}}})\n"
    )


def _arguments(declared: GraphQLField) -> str:
    texts = []
    for key, argument in sorted(declared.args.items(), key=lambda item: not is_required_argument(item[1])):
        required = is_required_argument(argument)
        annotation = input_annotation(argument.type, prefix="inputs.")
        if not required and not annotation.endswith("| None"):
            annotation += " | None"
        texts.append(f"{python_name(key)}: {annotation}{'' if required else ' = None'}")
    return "".join(f", {text}" for text in ("*", *texts)) if texts else ""


def _passed(arguments: dict[str, GraphQLArgument] | dict[str, GraphQLInputField]) -> str:
    return ", ".join(f'"{key}": {python_name(key)}' for key in arguments)


def _mutation(constant: str, name: str, declared: GraphQLField, result: str) -> str:
    result = result.removesuffix(" | None")
    type_ = get_named_type(declared.args["input"].type)
    assert isinstance(type_, GraphQLInputObjectType)
    fields = {key: field for key, field in type_.fields.items() if key not in ("ack", "clientMutationId")}
    texts = [
        f"{python_name(key)}: {input_annotation(field.type, prefix='inputs.')}"
        + ("" if is_required_input_field(field) else " | UnsetType = UNSET")
        for key, field in sorted(fields.items(), key=lambda item: not is_required_input_field(item[1]))
    ]
    has_ack = "ack" in type_.fields
    texts += ["ack: Event | None = None"] if has_ack else []
    texts.append("client_mutation_id: str | None = None")
    return (
        f"    async def {python_name(name)}(self, *, {', '.join(texts)}) -> {result}:\n"
        f"{_mutation_docstring(declared, fields)}"
        f"        return await self._mutate({constant}, {{{_passed(fields)}}}, client_mutation_id, "
        f"{'ack' if has_ack else None})\n"
    )


def _mutation_docstring(declared: GraphQLField, fields: dict[str, GraphQLInputField]) -> str:
    lines = [f"    {python_name(key)}: {' '.join((field.description or '').split())}" for key, field in fields.items()]
    text = "\n".join([(declared.description or "").strip(), "", "Args:", *lines]) if lines else declared.description
    return docstring(text, " " * 8)


def nested_inputs(schema: GraphQLSchema) -> set[str]:
    """The input types of arguments, without the inputs of the mutations themselves."""
    assert schema.mutation_type is not None
    of_mutations = {get_named_type(field.args["input"].type).name for field in schema.mutation_type.fields.values()}
    found: set[str] = set()

    def visit(type_: object) -> None:
        if not isinstance(type_, GraphQLInputObjectType) or type_.name in found or type_.name == "EventAck":
            return
        found.add(type_.name)
        for field in type_.fields.values():
            visit(get_named_type(field.type))

    for type_ in _argument_types(schema):
        visit(type_)
    return found - of_mutations


def _argument_types(schema: GraphQLSchema) -> Iterator[object]:
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType):
            for field in type_.fields.values():
                yield from (get_named_type(argument.type) for argument in field.args.values())
