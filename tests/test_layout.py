"""Rules of CONTRIBUTING.md that no linter checks."""

import ast
import re
from pathlib import Path

from tests.sources import parse_module

ROOT = Path(__file__).parents[1]
LAYERS = ("server", "schema", "resolvers", "storage")
CODE = (*LAYERS, "client", "examples", "benchmarks", "docs", "tests")
MAX_MODULE_LINES = 400
#: Its modules are generated from the schema.
GENERATED = ROOT / "client" / "switchboard_client" / "generated"
#: Assembled from parts, so that this file does not contain the words.
UNFINISHED_MARKS = re.compile(
    "|".join(rf"\b{first}{second}\b" for first, second in (("TO", "DO"), ("FIX", "ME"), ("XX", "X")))
)
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:work|root|home/\w+)/")
#: Module names that do not say what the module contains.
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "service"}

MODULES = sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))
TEXTS = sorted(
    {
        *MODULES,
        *(path for folder in CODE for path in (ROOT / folder).rglob("*.md")),
        *(path for folder in CODE for path in (ROOT / folder).rglob("*.graphql")),
        *ROOT.glob("*.md"),
        ROOT / "Makefile",
        ROOT / "pyproject.toml",
    }
)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_module_is_longer_than_400_lines() -> None:
    written = [path for path in MODULES if path.parent != GENERATED]
    lengths = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in written}

    assert {path: length for path, length in lengths.items() if length > MAX_MODULE_LINES} == {}


def test_every_module_outside_the_tests_has_a_docstring() -> None:
    modules = [path for path in MODULES if path.relative_to(ROOT).parts[0] != "tests"]

    undocumented = [path for path in modules if ast.get_docstring(parse_module(path)) is None]

    assert [relative(path) for path in undocumented] == []


def test_no_module_has_a_vague_name() -> None:
    assert [relative(path) for path in MODULES if path.stem in VAGUE_NAMES] == []


def test_no_text_contains_a_mark_of_unfinished_work() -> None:
    assert lines_with(UNFINISHED_MARKS) == []


def test_no_text_contains_a_path_of_one_machine() -> None:
    assert lines_with(MACHINE_PATH) == []


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{relative(path)}:{number}: {line.strip()}"
        for path in TEXTS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]
