"""The bases of the errors."""

from collections.abc import Mapping
from typing import Any, ClassVar


class ApiError(Exception):
    """The API refused an operation. There is a subclass for each code."""

    code: ClassVar[str] = "UNKNOWN"

    def __init__(self, message: str, extensions: Mapping[str, Any] | None = None) -> None:
        self.message = message
        self.extensions = dict(extensions or {})
        super().__init__(f"{self.extensions.get('code', self.code)}: {message}")


class Conflict(ApiError):
    """The operation does not fit the state of its objects. The same operation may succeed later."""
