"""Parsers of the texts of settings. settings.py lists the settings."""

import ipaddress
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from server.origins import parse_origin

#: MongoDB's own databases. MongoDB refuses two names that differ only by case.
INTERNAL_DATABASES = ("admin", "config", "local")
LONGEST_DATABASE = 63


@dataclass(frozen=True, slots=True)
class Parser:
    """Parses one kind of setting. `expected` completes the error message "... must be"."""

    expected: str
    parse: Callable[[str], Any]


def integer(lowest: int, highest: int) -> Parser:
    def parse(text: str) -> int:
        value = int(text)
        if not lowest <= value <= highest:
            raise ValueError
        return value

    return Parser(f"a whole number from {lowest} to {highest}", parse)


def number(lowest: float, highest: float) -> Parser:
    def parse(text: str) -> float:
        value = float(text)
        if not lowest <= value <= highest:
            raise ValueError
        return value

    shown = [f"{bound:f}".rstrip("0").rstrip(".") for bound in (lowest, highest)]
    return Parser(f"a number from {shown[0]} to {shown[1]}", parse)


def one_of(enum: type[StrEnum], *, excluding: Collection[StrEnum] = ()) -> Parser:
    members = {member.value.casefold(): member for member in enum if member not in excluding}

    def parse(text: str) -> StrEnum:
        if text.casefold() not in members:
            raise ValueError
        return members[text.casefold()]

    return Parser(f"one of {', '.join(member.value for member in members.values())}", parse)


def matching(expected: str, condition: Callable[[str], bool]) -> Parser:
    def parse(text: str) -> str:
        if not condition(text):
            raise ValueError
        return text

    return Parser(expected, parse)


def switch(text: str) -> bool:
    return {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}[
        text.casefold()
    ]


def usable_token(text: str) -> bool:
    return 8 <= len(text) <= 256 and text.isascii() and text.isprintable() and " " not in text


def usable_database(text: str) -> bool:
    allowed = text.isascii() and text.replace("-", "").replace("_", "").isalnum()
    return len(text) <= LONGEST_DATABASE and allowed and text.casefold() not in INTERNAL_DATABASES


def origins(text: str) -> tuple[str, ...]:
    return tuple(parse_origin(part) for part in text.split(","))


def networks(text: str) -> tuple[str, ...]:
    return tuple(str(ipaddress.ip_network(part.strip())) for part in text.split(","))


def path_prefix(text: str) -> str:
    prefix = "/" + text.strip("/")
    if not all(
        part and part.replace("-", "").replace("_", "").replace(".", "").isalnum() for part in prefix[1:].split("/")
    ):
        raise ValueError
    return prefix


HOST = matching("a host name or an IP address", lambda text: " " not in text)
FOLDER = Parser("a path", Path)
URI = matching(
    "a URI that begins with mongodb:// or mongodb+srv://",
    lambda text: text.startswith(("mongodb://", "mongodb+srv://")),
)
TOKEN = matching("8 to 256 printable ASCII characters without spaces", usable_token)
DATABASE = matching(
    "1 to 63 letters, digits, - and _, and not one of MongoDB's own databases (admin, config, local)", usable_database
)
SWITCH = Parser("on or off", switch)
ORIGINS = Parser(
    "origins such as https://example.org, https://*.example.org, capacitor://localhost or null, separated by commas",
    origins,
)
NETWORKS = Parser("IP addresses or networks, separated by commas", networks)
PREFIX = Parser("a path such as /switchboard", path_prefix)
