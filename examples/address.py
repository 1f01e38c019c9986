"""The address of the API, from the settings of the server or of the client."""

from collections.abc import Mapping


def address(environment: Mapping[str, str]) -> str:
    """`SWITCHBOARD_URL`, or the address that `SWITCHBOARD_HOST`, `_PORT` and `_BASE_PATH` make."""
    if url := environment.get("SWITCHBOARD_URL"):
        return url
    host = environment.get("SWITCHBOARD_HOST") or "127.0.0.1"
    port = environment.get("SWITCHBOARD_PORT") or "8000"
    path = environment.get("SWITCHBOARD_BASE_PATH", "").rstrip("/")
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}/graphql"
