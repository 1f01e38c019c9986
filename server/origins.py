"""The web origins that SWITCHBOARD_ALLOWED_ORIGINS allows: parsing and matching."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

#: The Origin header of pages without an origin: files and sandboxed frames.
NO_ORIGIN: Final = "null"
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
#: Schemes that no page has: the Origin header of a websocket request has the page's scheme, such as https.
WEBSOCKET_SCHEMES: Final = frozenset(("ws", "wss"))
SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")


class Origins:
    """Allowed origins. `https://*.example.org` matches every host with one label before `.example.org`."""

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
    """The origin in the form that browsers send. Raises ValueError if the text is no origin."""
    origin = origin.strip()
    if origin == NO_ORIGIN:
        return origin
    parts = urlsplit(origin)
    scheme, host = parts.scheme.lower(), parts.hostname
    if not SCHEME.fullmatch(scheme) or scheme in WEBSOCKET_SCHEMES or not host:
        raise ValueError(origin)
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc or not host.isascii():
        raise ValueError(origin)
    port = "" if parts.port in (None, DEFAULT_PORTS.get(scheme)) else f":{parts.port}"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{port}"


def parse_origin(text: str) -> str:
    """An origin of the setting. Raises ValueError if it can match no page."""
    origin = normalize(text)
    _, _, host = origin.partition("://")
    if "*" in host:
        rest = host.removeprefix("*.")
        name = rest.partition(":")[0]
        if "*" in rest or ("." not in name and name != "localhost"):
            raise ValueError(text)
    return origin
