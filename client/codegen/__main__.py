"""`python -m codegen [--check]`: writes switchboard_client/generated, or fails if it is not up to date."""

import subprocess
import sys
from pathlib import Path

from graphql import build_schema

from codegen.operations import nested_inputs, render_operations
from codegen.shapes import Shapes
from codegen.types import render_enums, render_errors, render_events, render_inputs, render_types

CLIENT = Path(__file__).parents[1]
SCHEMA = CLIENT.parent / "schema" / "schema.graphql"
GENERATED = CLIENT / "switchboard_client" / "generated"


def render() -> dict[str, str]:
    """The text of each module of `generated`, by its file name."""
    schema = build_schema(SCHEMA.read_text(encoding="utf-8"))
    shapes = Shapes()
    events = render_events(schema, shapes)
    operations = render_operations(schema, shapes)
    return {
        "__init__.py": '"""Generated from schema/schema.graphql by `make schema`. Do not edit."""\n',
        "enums.py": formatted(render_enums(schema)),
        "errors.py": formatted(render_errors(schema)),
        "inputs.py": formatted(render_inputs(schema, nested_inputs(schema))),
        "types.py": formatted(render_types(shapes)),
        "events.py": formatted(events),
        "operations.py": formatted(operations),
    }


def formatted(text: str) -> str:
    """The text as ruff formats it, without imports that are not used."""
    for command in (
        ("check", "--fix-only", "--unsafe-fixes", "--quiet"),
        ("format", "--quiet"),
    ):
        ruff = (sys.executable, "-m", "ruff", *command, "--stdin-filename", GENERATED / "module.py", "-")
        text = subprocess.run(ruff, input=text, capture_output=True, check=True, text=True).stdout
    return text


def main(arguments: list[str]) -> int:
    modules = render()
    present = {path.name: path.read_text(encoding="utf-8") for path in GENERATED.glob("*.py")}
    if arguments == ["--check"]:
        if present == modules:
            return 0
        changed = sorted(name for name in {*present, *modules} if present.get(name) != modules.get(name))
        print(f"{', '.join(changed)} of {GENERATED} are not up to date: run  make schema  and commit them.")
        return 1
    GENERATED.mkdir(exist_ok=True)
    for name in present.keys() - modules.keys():
        (GENERATED / name).unlink()
    for name, text in modules.items():
        (GENERATED / name).write_text(text, encoding="utf-8")
    print(f"{GENERATED} is {'unchanged' if present == modules else 'written'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
