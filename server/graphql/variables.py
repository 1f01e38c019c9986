"""Limits on the variables of an operation: the time to check them grows with their values and characters."""

from typing import Any

from server.settings import Settings
from storage.errors import QueryTooComplex


def require_within(variables: dict[str, Any] | None, settings: Settings) -> None:
    """Raise QueryTooComplex if the variables have too many values or too many characters."""
    pending: list[Any] = [variables]
    characters = 0
    for value in pending:  # grows during the loop
        if isinstance(value, dict):
            characters += sum(map(len, value))
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, str):
            characters += len(value)
        if len(pending) > settings.max_variable_values:
            raise QueryTooComplex(f"The variables have more than {settings.max_variable_values} values.")
    if characters > settings.max_variable_characters:
        raise QueryTooComplex(
            f"The texts in the variables have {characters} characters; at most {settings.max_variable_characters} "
            "are allowed."
        )
