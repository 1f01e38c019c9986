"""Everything that the code imports is declared in pyproject.toml or examples/requirements.in."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.sources import parse_module

ROOT = Path(__file__).parents[1]
OWN = {
    "server",
    "schema",
    "resolvers",
    "storage",
    "switchboard_client",
    "codegen",
    "examples",
    "benchmarks",
    "tests",
    "docs",
    "web",
}


def declared(*extras: str, folder: str = ".") -> set[str]:
    """The names of the distributions that the folder's pyproject.toml declares, normalised."""
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [
        *project["dependencies"],
        *(one for extra in extras for one in project["optional-dependencies"][extra]),
    ]
    return names(requirements)


def declared_by_examples() -> set[str]:
    """The names of the distributions that examples/requirements.in declares, normalised."""
    lines = (ROOT / "examples" / "requirements.in").read_text(encoding="utf-8").splitlines()
    return names(line for line in lines if line and not line.startswith("#"))


def names(requirements: Iterable[str]) -> set[str]:
    return {normalised(re.split(r"[\s<>=!~;\[]", one, maxsplit=1)[0]) for one in requirements}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(*folders: str) -> dict[str, set[str]]:
    """The top-level modules of other packages that the folders import, each with the importing files."""
    found: dict[str, set[str]] = {}
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(parse_module(path)):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                modules = [node.module]
            else:
                continue
            for module in {module.partition(".")[0] for module in modules} - OWN - set(sys.stdlib_module_names):
                found.setdefault(module, set()).add(path.relative_to(ROOT).as_posix())
    return found


def undeclared(modules: dict[str, set[str]], names: set[str]) -> dict[str, set[str]]:
    distributions = packages_distributions()
    return {
        module: files
        for module, files in modules.items()
        if not {normalised(name) for name in distributions.get(module, [module])} & names
    }


def test_layers_import_only_declared_packages() -> None:
    assert undeclared(imported("server", "schema", "resolvers", "storage"), declared("traces")) == {}


def test_tests_and_programs_import_only_declared_development_packages() -> None:
    names = declared("dev", "traces") | declared_by_examples()

    assert undeclared(imported("tests", "examples", "benchmarks", "docs"), names) == {}


def test_client_imports_only_packages_that_it_declares() -> None:
    assert undeclared(imported("client/switchboard_client"), declared(folder="client")) == {}


def test_an_import_that_is_not_declared_is_found() -> None:
    assert undeclared({"strawberry": {"a.py"}, "numpy": {"b.py"}}, declared()) == {"numpy": {"b.py"}}
