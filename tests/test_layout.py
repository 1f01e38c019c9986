"""House rules that a linter does not know; CONTRIBUTING.md says why there are any."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAYERS = ("server", "schema", "resolvers", "storage")
CODE = (*LAYERS, "examples", "benchmarks", "tests")
LONGEST_MODULE_LINES = 400
#: Written in pieces, so that this file does not hold what it forbids.
UNFINISHED = re.compile(
    "|".join(rf"\b{first}{second}\b" for first, second in (("TO", "DO"), ("FIX", "ME"), ("XX", "X")))
)
OF_ONE_MACHINE = re.compile(r"(?<![\w.$}])/(?:work|root|home/\w+)/")
#: Names that hold whatever did not find its place.
DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "service"}

MODULES = sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))
TEXTS = sorted(
    {
        *MODULES,
        *(path for folder in (*CODE, "docs") for path in (ROOT / folder).rglob("*.md")),
        *(path for folder in CODE for path in (ROOT / folder).rglob("*.graphql")),
        *ROOT.glob("*.md"),
        ROOT / "Makefile",
        ROOT / "pyproject.toml",
    }
)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_module_is_longer_than_one_can_keep_in_mind() -> None:
    lengths = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}

    assert {path: length for path, length in lengths.items() if length > LONGEST_MODULE_LINES} == {}


def test_every_module_of_the_layers_says_what_lives_in_it() -> None:
    modules = [path for path in MODULES if path.relative_to(ROOT).parts[0] not in ("tests",)]

    silent = [path for path in modules if ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None]

    assert [relative(path) for path in silent] == []


def test_no_module_is_a_drawer() -> None:
    assert [relative(path) for path in MODULES if path.stem in DRAWERS] == []


def test_nothing_is_left_to_do() -> None:
    assert lines_with(UNFINISHED) == []


def test_nothing_names_a_place_on_one_machine() -> None:
    assert lines_with(OF_ONE_MACHINE) == []


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{relative(path)}:{number}: {line.strip()}"
        for path in TEXTS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]
