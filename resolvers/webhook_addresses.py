"""The addresses to which webhooks may be sent: their URLs, and the IP addresses that do not lead inside.

A URL is checked when it is stored. The IP addresses of its host are checked shortly before a connection, which is made
to a checked address and nowhere else.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from storage.errors import Invalid

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

MAX_URL_CHARACTERS = 2_048
PORTS = {"https": 443, "http": 80}
#: The lowest port of an address outside, beside the one of HTTPS: others belong to services such as mail.
LOWEST_PORT = 1_024

#: The end of a refusal that the deployment may lift.
SETTING = "the setting SWITCHBOARD_WEBHOOK_NETWORKS allows networks inside"

#: Addresses that `is_global` allows although they are no hosts of the internet.
_REFUSED_IPV4 = (
    IPv4Network("192.0.0.0/24"),  # protocols, and the service inside each machine of Oracle
    IPv4Network("192.88.99.0/24"),  # relays from IPv6 to IPv4
    IPv4Network("168.63.129.16/32"),  # the service inside each machine of Azure
)
#: The only IPv6 addresses of hosts of the internet, and those among them that are none.
_GLOBAL_IPV6 = IPv6Network("2000::/3")
_REFUSED_IPV6 = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
#: Addresses with an IPv4 address in their last 32 bits, to which packets go.
_TRANSLATED = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")

_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, taken apart once: what is checked is what is connected to."""

    scheme: str
    #: The name or address, without brackets.
    host: str
    port: int
    #: The path and the query.
    path: str

    @property
    def authority(self) -> str:
        """The value of the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Which addresses webhooks may reach."""

    #: The networks inside that they may reach, also by HTTP without TLS and at any port.
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, networks: Iterable[str]) -> "AddressPolicy":
        return cls(tuple(ip_network(text) for text in networks))

    def is_inside(self, address: Address) -> bool:
        """Whether the address is in a network inside that is allowed."""
        return any(address in network for network in self.networks)

    def refusal(self, target: Target, address: Address) -> str | None:
        """Why the target must not be reached at this address. None if it may be."""
        address = _destination(address)
        if self.is_inside(address):
            return None
        if not is_public(address):
            return f"{address} is not an address of the internet"
        if target.scheme != "https":
            return f"{address} is outside, where only https is allowed"
        return _refused_port(target.port)


def parse_url(text: str, policy: AddressPolicy, key: str = "url") -> Target:
    """The parts of a URL. Raises Invalid for a URL to which nothing may be sent, whatever its name resolves to."""

    def refused(reason: str) -> Invalid:
        return Invalid(f"{key} {reason}.", key=key)

    if not 1 <= len(text) <= MAX_URL_CHARACTERS:
        raise refused(f"must have 1 to {MAX_URL_CHARACTERS:,} characters; this one has {len(text):,}")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise refused("must be of printable ASCII characters without spaces; write a host as xn--... and others as %..")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise refused("is not a URL such as https://example.org/events") from None
    if parts.scheme not in PORTS or not _is_host(parts):
        raise refused("is not a URL such as https://example.org/events")
    if parts.username is not None or parts.password is not None:
        raise refused("must not contain a username or a password; requests are signed")
    if parts.fragment or text.endswith("#"):
        raise refused("must not have a fragment")
    host = (parts.hostname or "").rstrip(".")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = Target(parts.scheme, host, PORTS[parts.scheme] if port is None else port, path)
    if target.scheme != "https" and not policy.networks:
        raise refused(f"must begin with https://; {SETTING}, also by http://")
    literal = _literal(host)
    if literal is None:
        if _ends_in_a_number(host):
            raise refused("has a host that ends in a number; write an address as 192.0.2.1 or [2001:db8::1]")
        # A name may resolve to an address inside, where any port is allowed.
        if not policy.networks and (reason := _refused_port(target.port)) is not None:
            raise refused(f"cannot be reached: {reason}; {SETTING}")
    elif (reason := policy.refusal(target, literal)) is not None:
        hint = "" if is_public(_destination(literal)) else f"; {SETTING}"
        raise refused(f"leads to an address that is not allowed: {reason}{hint}")
    return target


def is_public(address: Address) -> bool:
    """Whether the address is that of a host of the internet, and leads to nothing else."""
    if isinstance(address, IPv4Address):
        return (
            address.is_global
            and not address.is_multicast
            and not address.is_reserved
            and not any(address in network for network in _REFUSED_IPV4)
        )
    return address in _GLOBAL_IPV6 and address.is_global and not any(address in network for network in _REFUSED_IPV6)


def _refused_port(port: int) -> str | None:
    """Why this port must not be reached outside. None if it may be."""
    return None if port >= LOWEST_PORT or port == PORTS["https"] else f"the port {port} is not allowed outside"


def _destination(address: Address) -> Address:
    """The address to which packets go."""
    if isinstance(address, IPv6Address) and any(address in network for network in _TRANSLATED):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_host(parts: SplitResult) -> bool:
    host = parts.netloc.rpartition("@")[2]
    if not host.endswith("]") and (colon := host.rfind(":")) > host.rfind("]"):
        host = host[:colon]
    return bool(_HOST.fullmatch(host.rstrip(".")))


def _ends_in_a_number(host: str) -> bool:
    """Whether a resolver may take the host for an IPv4 address, as 0x7f000001 and 127.1 (WHATWG URL, section 3.5)."""
    return _NUMBER.fullmatch(host.rpartition(".")[2]) is not None


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
