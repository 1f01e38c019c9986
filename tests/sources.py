"""Reads the source of modules."""

import ast
import gc
from pathlib import Path


def parse_module(path: Path) -> ast.Module:
    """The syntax tree of a module.

    Without garbage collection meanwhile: if a collection runs Python code, CPython 3.11 raises SystemError here.
    """
    text = path.read_text(encoding="utf-8")
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        if was_enabled:
            gc.enable()
