"""Names and descriptions in Python for those of the schema."""

import re
from keyword import iskeyword

#: The Python type of each scalar.
SCALARS = {
    "ID": "str",
    "String": "str",
    "Cursor": "str",
    "Int": "int",
    "Long": "int",
    "Float": "float",
    "Boolean": "bool",
    "DateTime": "datetime",
    "JSON": "Any",
    "FieldValue": "FieldValue",
}


def python_name(name: str) -> str:
    """`roomId`: room_id."""
    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()
    return f"{snake}_" if iskeyword(snake) else snake


def class_name(constant: str) -> str:
    """`NOT_FOUND`: NotFound."""
    return "".join(word.capitalize() for word in constant.split("_"))


def capitalized(name: str) -> str:
    return name[0].upper() + name[1:]


def docstring(description: str | None, indent: str = "    ") -> str:
    """The description as a docstring, or an empty text."""
    text = (description or "").strip().replace("\\", "\\\\")
    if not text:
        return ""
    lines = text.splitlines()
    if len(lines) == 1:
        return f'{indent}"""{text}"""\n'
    body = "\n".join(f"{indent}{line}".rstrip() for line in lines[1:])
    return f'{indent}"""{lines[0]}\n{body}\n{indent}"""\n'
