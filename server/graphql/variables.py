"""How much the variables of an operation may hold. Each value and each character costs time to check."""

from typing import Any

from server.settings import Settings
from storage.errors import QueryTooComplex


def require_within(variables: dict[str, Any] | None, settings: Settings) -> None:
    """Raise QueryTooComplex for variables that hold too many values, or too much text.

    Text is counted in characters, as the limits of documents and of single values are.
    """
    pending: list[Any] = [variables]
    characters = 0
    for value in pending:  # which grows on the way
        if isinstance(value, dict):
            characters += sum(map(len, value))
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, str):
            characters += len(value)
        if len(pending) > settings.max_variable_values:
            raise QueryTooComplex(f"The variables hold more than {settings.max_variable_values} values.")
    if characters > settings.max_variable_characters:
        raise QueryTooComplex(
            f"The texts in the variables have {characters} characters; {settings.max_variable_characters} are the most."
        )
