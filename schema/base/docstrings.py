"""Descriptions of the API, read from the docstrings of the code.

Docstrings are wrapped at the width of the code. A description has each paragraph on one line: GraphiQL and other
tools wrap it at the width of their window, and show each line break within a paragraph.
"""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache

#: A line that begins something else than the paragraph before it: an item of a list, a row of a table, a heading.
_BLOCK = re.compile(r"\s*([-*+] |\d+[.)] |\||#+ )")
_FENCE = "```"


def of_class(cls: type) -> Mapping[str, str]:
    """The descriptions of a class of this package, as "", and of its attributes, by their names.

    Empty for a class of a library, whose source may not be there.
    """
    ours = cls.__module__.partition(".")[0] == __name__.partition(".")[0]
    return _of_module(cls.__module__).get(cls.__qualname__, {}) if ours else {}


def of_method(method: Callable[..., object]) -> str:
    """The description of the field that a method resolves."""
    return unwrapped(inspect.getdoc(method) or "")


def unwrapped(text: str) -> str:
    """The text with each paragraph and each item of a list on one line. Fenced code stays as it is."""
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
def _of_module(module: str) -> Mapping[str, Mapping[str, str]]:
    """By class and then by attribute, what the module's source says of them; "" is the class itself.

    Read from the source because Python keeps no docstrings of attributes; a whole module at once because
    inspect.getsource of each class would parse the file again and again.
    """
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: _of_node(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _of_node(node: ast.ClassDef) -> Mapping[str, str]:
    docs = {"": unwrapped(ast.get_docstring(node) or "")}
    for statement, following in zip(node.body, node.body[1:], strict=False):
        match statement, following:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                docs[name] = unwrapped(inspect.cleandoc(text))
            case _:
                pass
    return docs
