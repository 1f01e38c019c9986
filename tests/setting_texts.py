"""The settings as documentation shows them."""

import dataclasses
from dataclasses import dataclass

from server.settings import Settings, variable_name


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting as documentation shows it."""

    variable: str
    default: str
    expected: str
    meaning: str


def list_settings() -> list[Entry]:
    """All settings in the order of Settings."""
    return [
        Entry(
            variable_name(field.name),
            format_default(field.default),
            field.metadata["parser"].expected,
            field.metadata["meaning"],
        )
        for field in dataclasses.fields(Settings)
    ]


def format_default(value: object) -> str:
    """A default in the form of an environment variable; empty if there is none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
