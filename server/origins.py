"""Which sites' pages may use the API, as a setting names them; graphql/security_headers.py asks."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

#: The origin that browsers send for pages that have none: files, sandboxed frames.
NO_ORIGIN: Final = "null"
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
#: Schemes that no page has: the origin of a page that opens a websocket begins with http.
NEVER: Final = frozenset(("ws", "wss"))
SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")


class Origins:
    """The origins that a setting names. `https://*.example.org` is every host with one label before `.example.org`."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(map(normalize, allowed))

    def allows(self, origin: str) -> bool:
        try:
            found = normalize(origin)
        except ValueError:
            return False
        scheme, _, host = found.partition("://")
        label, dot, rest = host.partition(".")
        return found in self._allowed or bool(label and dot and f"{scheme}://*.{rest}" in self._allowed)


def normalize(origin: str) -> str:
    """An origin as browsers write it. Raises ValueError when it is none."""
    origin = origin.strip()
    if origin == NO_ORIGIN:
        return origin
    parts = urlsplit(origin)
    scheme, host = parts.scheme.lower(), parts.hostname
    if not SCHEME.fullmatch(scheme) or scheme in NEVER or not host:
        raise ValueError(origin)
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc or not host.isascii():
        raise ValueError(origin)
    port = "" if parts.port in (None, DEFAULT_PORTS.get(scheme)) else f":{parts.port}"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{port}"


def parse_origin(text: str) -> str:
    """An origin as a setting may name it. Raises ValueError when no page can match it."""
    origin = normalize(text)
    _, _, host = origin.partition("://")
    if "*" in host:
        rest = host.removeprefix("*.")
        name = rest.partition(":")[0]
        if "*" in rest or ("." not in name and name != "localhost"):
            raise ValueError(text)
    return origin
