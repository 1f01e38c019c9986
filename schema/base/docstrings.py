"""Descriptions of the API, read from the docstrings of the code.

Docstrings are wrapped at the line length of the code. In a description, each paragraph is one line, because GraphiQL
and other tools wrap it themselves, and show each line break within a paragraph.
"""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache

#: A line that does not continue the paragraph before it: an item of a list, a row of a table, a heading.
_BLOCK = re.compile(r"\s*([-*+] |\d+[.)] |\||#+ )")
_FENCE = "```"


def class_descriptions(cls: type) -> Mapping[str, str]:
    """The descriptions of the attributes of a class, by name, and of the class itself, as "".

    Empty for a class of another package, whose source may not be installed.
    """
    is_own = cls.__module__.partition(".")[0] == __name__.partition(".")[0]
    return _module_descriptions(cls.__module__).get(cls.__qualname__, {}) if is_own else {}


def method_description(method: Callable[..., object]) -> str:
    """The description of the field that a method resolves."""
    return unwrap(inspect.getdoc(method) or "")


def unwrap(text: str) -> str:
    """The text with each paragraph and each list item on one line. Fenced code is not changed."""
    lines: list[str] = []
    fenced = continues = False
    for line in text.split("\n"):
        fence = line.lstrip().startswith(_FENCE)
        if continues and not fence and line.strip() and not _BLOCK.match(line):
            lines[-1] += f" {line.strip()}"
            continue
        lines.append(line if fenced or fence else line.rstrip())
        fenced ^= fence
        continues = bool(line.strip()) and not fenced and not fence
    return "\n".join(lines)


@cache
def _module_descriptions(module: str) -> Mapping[str, Mapping[str, str]]:
    """The descriptions of all classes of a module, by class name.

    They are read from the source, because Python does not store docstrings of attributes, and for a whole module at
    once, because inspect.getsource of a class parses the whole file.
    """
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: _node_descriptions(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _node_descriptions(node: ast.ClassDef) -> Mapping[str, str]:
    docs = {"": unwrap(ast.get_docstring(node) or "")}
    for statement, following in zip(node.body, node.body[1:], strict=False):
        match statement, following:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                docs[name] = unwrap(inspect.cleandoc(text))
            case _:
                pass
    return docs
