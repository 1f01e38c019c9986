"""Every method and private name of other packages that the code overrides or reads exists there.

A new version of Strawberry, graphql-core, Starlette or uvicorn that renames one of them would not call the override any
more, without an error. These tests fail then.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import pytest

import resolvers
import schema
import server
import storage

LAYERS = (server, schema, resolvers, storage)
OWN = {layer.__name__ for layer in LAYERS}


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def overrides() -> dict[str, tuple[type, str]]:
    """Every method that is marked with @override and whose class has a base class of another package."""
    found: dict[str, tuple[type, str]] = {}
    for layer in LAYERS:
        for module in modules(layer):
            for cls in vars(module).values():
                if not inspect.isclass(cls) or cls.__module__ != module.__name__:
                    continue
                if all(base.__module__.partition(".")[0] in {*OWN, "builtins"} for base in cls.__mro__):
                    continue
                for name, value in vars(cls).items():
                    method = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
                    if getattr(method, "__override__", False):
                        found[f"{module.__name__}.{cls.__name__}.{name}"] = (cls, name)
    return found


OVERRIDES = overrides()


def test_there_are_overrides_to_look_at() -> None:
    packages = {base.__module__.partition(".")[0] for cls, _ in OVERRIDES.values() for base in cls.__mro__[1:]} - OWN

    assert packages >= {"strawberry", "graphql", "uvicorn"}


@pytest.mark.parametrize("name", OVERRIDES)
def test_an_overridden_method_exists_in_a_base_class(name: str) -> None:
    cls, method = OVERRIDES[name]

    assert any(hasattr(base, method) for base in cls.__mro__[1:] if base is not object)
