"""The settings of a deployment: all of them, read from the environment once; what they mean is said here alone."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from storage.errors import ascii_quote
from storage.records import RoutingMethod

PREFIX = "SWITCHBOARD_"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class SettingError(Exception):
    """A setting has a value that it cannot have; the message is one line that names it and says what it can have."""


@dataclass(frozen=True, slots=True)
class Parser:
    """How the text of one kind of setting becomes its value; `expected` completes "... must be"."""

    expected: str
    parse: Callable[[str], Any]


def setting(default: Any, parser: Parser, meaning: str) -> Any:
    return dataclasses.field(default=default, metadata={"parser": parser, "meaning": meaning})


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

    return Parser(f"a number from {lowest:g} to {highest:g}", parse)


def one_of(enum: type[StrEnum]) -> Parser:
    members = {member.value.casefold(): member for member in enum}

    def parse(text: str) -> StrEnum:
        if text.casefold() not in members:
            raise ValueError
        return members[text.casefold()]

    return Parser(f"one of {', '.join(member.value for member in enum)}", parse)


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
    return 0 < len(text) <= 63 and text.isascii() and text.replace("-", "").replace("_", "").isalnum()


HOST = matching("a host name or an IP address", lambda text: " " not in text)
FOLDER = Parser("a path", Path)
URI = matching(
    "a URI that begins with mongodb:// or mongodb+srv://",
    lambda text: text.startswith(("mongodb://", "mongodb+srv://")),
)
TOKEN = matching("8 to 256 printable ASCII characters without spaces", usable_token)
DATABASE = matching("1 to 63 letters, digits, - and _", usable_database)
SWITCH = Parser("on or off", switch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One field for each environment variable: `mongodb_uri` is SWITCHBOARD_MONGODB_URI."""

    host: str = setting(
        "127.0.0.1",
        HOST,
        "The address to listen on. `0.0.0.0` is every IPv4 address of the machine: put TLS in front of it.",
    )
    port: int = setting(8000, integer(0, 65_535), "The TCP port to listen on; `0` takes a free one and prints it.")
    data_dir: Path = setting(
        Path("data"),
        FOLDER,
        "The folder of the embedded MongoDB, made when it is missing. Not used with `SWITCHBOARD_MONGODB_URI`.",
    )
    mongodb_uri: str | None = setting(
        None,
        URI,
        "A MongoDB of yours, 6.0 or later: a replica set (one node is enough) or a sharded cluster. Without it "
        "Switchboard runs an embedded one.",
    )
    database: str = setting("switchboard", DATABASE, "The database to use in that MongoDB.")
    admin_token: str | None = setting(
        None,
        TOKEN,
        "The admin token of this deployment. Without it the first start makes one and prints it, once.",
    )
    routing: RoutingMethod = setting(
        RoutingMethod.LEAST_LOADED, one_of(RoutingMethod), "How rooms without a department find their agent."
    )
    route_bots_first: bool = setting(
        False, SWITCH, "Whether agents with the role `bot` are offered rooms before all others."
    )
    event_retention_days: float = setting(
        7.0,
        number(0.01, 3_650),
        "How many days events are kept. A subscription cannot resume from a cursor older than that.",
    )
    log_level: LogLevel = setting(LogLevel.INFO, one_of(LogLevel), "How much to log.")
    mongod_cache_gb: float = setting(
        0.5, number(0.25, 1_024), "How many GB of memory the embedded MongoDB takes for its cache."
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """What the reference page says of one setting."""

    variable: str
    default: str
    expected: str
    meaning: str


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings that `environment` gives; a variable that is set but empty counts as not set.

    Raises SettingError for the first wrong value.
    """
    values: dict[str, Any] = {}
    for field in dataclasses.fields(Settings):
        text = environment.get(variable(field.name), "").strip()
        if text:
            values[field.name] = parse_setting(field.name, text, variable(field.name))
    return Settings(**values)


def parse_setting(name: str, text: str, given_as: str) -> Any:
    """The value of one setting; `given_as` is what the person who gave it knows it by."""
    parser: Parser = Settings.__dataclass_fields__[name].metadata["parser"]
    try:
        return parser.parse(text)
    except (ValueError, KeyError):
        # What may hold a password or is a secret is not repeated.
        shown = "" if name in ("mongodb_uri", "admin_token") else f", not {ascii_quote(text)}"
        raise SettingError(f"{given_as} must be {parser.expected}{shown}.") from None


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """The variables that look like settings but are none, in alphabetical order."""
    known = {variable(field.name) for field in dataclasses.fields(Settings)}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def variable(name: str) -> str:
    return PREFIX + name.upper()


def catalogue() -> list[Entry]:
    """Every setting, in the order of Settings, as documentation shows it."""
    return [
        Entry(variable(field.name), shown(field.default), field.metadata["parser"].expected, field.metadata["meaning"])
        for field in dataclasses.fields(Settings)
    ]


def shown(value: object) -> str:
    """A default as one would write it in the environment; empty for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
