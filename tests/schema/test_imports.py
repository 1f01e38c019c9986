"""Every module of types can be imported first, though the types of GraphQL refer to each other."""

import subprocess
import sys
from pathlib import Path

import schema

#: Imports each module that refers to the others, after removing all modules of the schema.
SCRIPT = """
import importlib, pkgutil, sys
import schema.events
modules = [one.name for one in pkgutil.iter_modules(schema.events.__path__, "schema.events.")]
modules += ["schema.rooms", "schema.agents", "schema.users", "schema.departments", "schema.messages"]
for module in modules:
    for name in [name for name in sys.modules if name.partition(".")[0] == "schema"]:
        del sys.modules[name]
    importlib.import_module(module)
    print(module)
"""


def test_every_module_of_types_that_refer_to_each_other_can_be_imported_first() -> None:
    root = Path(schema.__file__).parents[1]
    result = subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, capture_output=True, text=True, check=False)

    assert (result.returncode, result.stderr) == (0, "")
    assert "schema.events.snapshots" in result.stdout.split()
