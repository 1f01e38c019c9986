"""How the stand-in refuses a request."""


class Refusal(Exception):
    """A response with this status, and this message in its JSON body."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}
