"""Every method of other packages that the code overrides, and every private name of them that it reads, exists there.

If a new version of Strawberry, graphql-core, Starlette or uvicorn renames a method, it no longer calls the override and
reports no error. These tests fail then.
"""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from types import MemberDescriptorType, ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import pytest
import strawberry
from graphql import DirectiveNode, GraphQLInputObjectType, Visitor, parse, visit
from motor.frameworks import asyncio as motor_asyncio
from pymongo import MongoClient, helpers_shared, message
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError
from pymongo.network_layer import NetworkingInterface
from pymongo.pool_options import PoolOptions
from pymongo.synchronous.pool import Connection, Pool
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.types import ExecutionContext
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

import resolvers
import schema
import server
import storage
from tests.sources import parse_module

LAYERS = (server, schema, resolvers, storage)
OWN = {layer.__name__ for layer in LAYERS}


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            yield importlib.import_module(module.name)


def subclasses() -> Iterator[type]:
    """Every class of the layers that has a base class of another package."""
    for layer in LAYERS:
        for module in modules(layer):
            for cls in vars(module).values():
                if (
                    inspect.isclass(cls)
                    and cls.__module__ == module.__name__
                    and any(base.__module__.partition(".")[0] not in {*OWN, "builtins"} for base in cls.__mro__)
                ):
                    yield cls


def overrides() -> dict[str, tuple[type, str]]:
    """Every method of these classes that is marked with @override."""
    found: dict[str, tuple[type, str]] = {}
    for cls in subclasses():
        for name, value in vars(cls).items():
            method = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            if getattr(method, "__override__", False):
                found[f"{cls.__module__}.{cls.__name__}.{name}"] = (cls, name)
    return found


OVERRIDES = overrides()


def test_overrides_are_found() -> None:
    packages = {base.__module__.partition(".")[0] for cls, _ in OVERRIDES.values() for base in cls.__mro__[1:]} - OWN

    assert packages >= {"strawberry", "graphql", "uvicorn"}


@pytest.mark.parametrize("name", OVERRIDES)
def test_an_overridden_method_exists_in_a_base_class(name: str) -> None:
    cls, method = OVERRIDES[name]

    assert any(hasattr(base, method) for base in cls.__mro__[1:] if base is not object)


def replaced_attributes() -> dict[str, tuple[type, str]]:
    """Every value that these classes give to an attribute, such as the class of a handler.

    Methods, slots and annotated attributes are not among them.
    """
    found: dict[str, tuple[type, str]] = {}
    for cls in subclasses():
        packages = {base.__module__.partition(".")[0] for base in cls.__mro__} - OWN - sys.stdlib_module_names
        annotated = inspect.get_annotations(cls)
        for name, value in vars(cls).items():
            is_method = inspect.isfunction(value) or isinstance(
                value, property | cached_property | classmethod | staticmethod | MemberDescriptorType
            )
            if packages & HOOKED and not name.startswith("_") and not is_method and name not in annotated:
                found[f"{cls.__module__}.{cls.__name__}.{name}"] = (cls, name)
    return found


#: The packages that call what a subclass replaces.
HOOKED = {"bson", "graphql", "motor", "starlette", "strawberry", "uvicorn"}
REPLACED = replaced_attributes()


def test_replaced_attributes_are_found() -> None:
    assert {name for _, name in REPLACED.values()} >= {
        "apply_naming_config",
        "bson_type",
        "graphql_transport_ws_handler_class",
        "stream_transport_classes_by_protocol",
        "websocket_adapter_class",
    }


@pytest.mark.parametrize("name", REPLACED)
def test_a_replaced_attribute_exists_in_a_base_class(name: str) -> None:
    cls, attribute = REPLACED[name]

    assert any(hasattr(base, attribute) for base in cls.__mro__[1:] if base is not object)


def test_graphql_core_calls_the_function_that_replaces_the_check_of_strawberry() -> None:
    assert "out_type" in vars(GraphQLInputObjectType)
    assert "is_one_of" in inspect.signature(GraphQLInputObjectType).parameters


def test_graphql_core_calls_methods_of_a_visitor_by_the_name_of_the_node() -> None:
    found: list[str] = []

    class Names(Visitor):
        def enter_directive(self, node: DirectiveNode, *_: object) -> None:
            found.append(node.name.value)

    visit(parse("{ a @skip(if: true) }"), Names())

    assert found == ["skip"]


# ---------------------------------------------------------------- private names that the code reads

API = strawberry.Schema(strawberry.type(type("Query", (), {"__annotations__": {"name": str}})))
EXECUTION = ExecutionContext(query=None, schema=API, allowed_operations=[])
INFO_FIELDS = SimpleNamespace(**{field.name: field for field in dataclasses.fields(strawberry.Info)})

CLIENT: Any = MongoClient(connect=False)
#: The private names of other packages that the code reads, each with an object that must have it.
PRIVATE_NAMES: dict[str, object] = {
    "_EXECUTOR": motor_asyncio,
    "_add_error_label": PyMongoError,
    "_apply_to": ClientSession,
    "_check_command_response": helpers_shared,
    "_conn_for_writes": CLIENT,
    "_op_msg": message,
    "_process_response": CLIENT,
    "_server_session": CLIENT.start_session(),
    "_servers": CLIENT._topology,
    "_threads": ThreadPoolExecutor(1),
    "_topology": CLIENT,
    "_transaction": CLIENT.start_session(),
    "_work_queue": ThreadPoolExecutor(1),
    "_field": INFO_FIELDS,
    "_handle_pre_execution_error": BaseGraphQLTransportWSHandler,
    "_provided_operation_name": EXECUTION,
    "_raw_info": INFO_FIELDS,
    "_replace": NamedTuple("Pair", [("first", int), ("second", int)]),
    "_schema": API,
    "_start_asgi_task": HttpToolsProtocol,
    "_strawberry_schema": API._schema,
}


class PrivateNames(ast.NodeVisitor):
    """Collects the private names that a module reads and does not define."""

    def __init__(self) -> None:
        self.read: set[str] = set()
        #: Names of `self` or `super()`: a base class, which may be in another module, can define them.
        self.inherited: set[str] = set()
        self.defined: set[str] = set()

    @classmethod
    def of(cls, path: Path) -> "PrivateNames":
        names = cls()
        names.visit(parse_module(path))
        return names

    @override
    def visit_Attribute(self, node: ast.Attribute) -> None:
        of_self = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
        of_base = isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "super"
        if of_self and isinstance(node.ctx, ast.Store):
            self.defined.add(node.attr)
        elif of_self or of_base:
            self.inherited.add(node.attr)
        else:
            self.read.add(node.attr)
        self.generic_visit(node)

    @override
    def visit_keyword(self, node: ast.keyword) -> None:
        self.read.add(node.arg or "")
        self.generic_visit(node)

    @override
    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.defined.add(node.name)
        self.generic_visit(node)

    @override
    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.defined.add(node.name)
        self.generic_visit(node)

    @override
    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.defined.add(node.id)


def private_names() -> set[str]:
    """The private names that the modules of the layers read or set, and that the layers do not define."""
    found: set[str] = set()
    for layer in LAYERS:
        for package in {path.parent for path in Path(layer.__path__[0]).rglob("*.py")}:
            modules = [PrivateNames.of(path) for path in package.glob("*.py")]
            defined = set().union(*(module.defined for module in modules))
            found |= set().union(*((module.read - module.defined) | (module.inherited - defined) for module in modules))
    return {name for name in found if re.match(r"_[a-zA-Z]", name)}


def test_every_private_name_that_is_read_is_listed() -> None:
    assert private_names() == set(PRIVATE_NAMES)


@pytest.mark.parametrize("name", PRIVATE_NAMES)
def test_a_private_name_that_is_read_exists(name: str) -> None:
    assert hasattr(PRIVATE_NAMES[name], name)


def test_a_type_of_graphql_core_names_its_definition_of_strawberry() -> None:
    definition = API._schema.type_map["Query"].extensions["strawberry-definition"]

    assert isinstance(definition, StrawberryObjectDefinition)
    assert isinstance(API._schema.query_type.fields["name"].extensions["strawberry-definition"], StrawberryField)  # type: ignore[union-attr]


def test_a_connection_can_be_taken_out_of_the_pool_of_the_driver() -> None:
    assert {name for name, _ in inspect.getmembers(Pool)} >= {"checkout", "checkin", "stale_generation"}
    assert {name for name, _ in inspect.getmembers(Connection)} >= {"pin_cursor", "close_conn"}
    assert {"generation", "service_id", "address", "cancel_context", "conn"} <= set(
        re.findall(r"self\.(\w+)\b", "".join(inspect.getsource(cls) for cls in Connection.__mro__[:-2]))
    )
    assert isinstance(vars(NetworkingInterface)["sock"], property)
    assert re.search(r"\bself\.opts\b", inspect.getsource(Pool))
    assert isinstance(vars(PoolOptions)["socket_timeout"], property)
    assert hasattr(CLIENT._topology, "get_server_by_address")
