"""The settings of a deployment: all of them, read from the environment once; what they mean is said here alone."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from server.setting_parsers import (
    DATABASE,
    FOLDER,
    HOST,
    NETWORKS,
    ORIGINS,
    SWITCH,
    TOKEN,
    URI,
    Parser,
    integer,
    number,
    one_of,
)
from server.setting_parsers import PREFIX as PATH_PREFIX
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


def setting(default: Any, parser: Parser, meaning: str) -> Any:
    return dataclasses.field(default=default, metadata={"parser": parser, "meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One field for each environment variable: `mongodb_uri` is SWITCHBOARD_MONGODB_URI."""

    host: str = setting(
        "127.0.0.1",
        HOST,
        "The address to listen on. `0.0.0.0` is every IPv4 address of the machine: put TLS in front of it.",
    )
    port: int = setting(8000, integer(0, 65_535), "The TCP port to listen on; `0` takes a free one and prints it.")
    workers: int = setting(
        1, integer(1, 256), "How many processes serve. One uses one core; they share the port and the database."
    )
    data_dir: Path = setting(
        Path("data"),
        FOLDER,
        "The folder of the embedded MongoDB, made when it is missing. Not used with `SWITCHBOARD_MONGODB_URI`.",
    )
    mongodb_uri: str | None = setting(
        None,
        URI,
        "A MongoDB of yours, 6.0 or later: a replica set (one node is enough) or a sharded cluster. `readPreference`, "
        "`w`, `readConcernLevel`, `compressors` and the like have no effect; a `maxPoolSize` must be 42 or more. "
        "Without it Switchboard runs an embedded one.",
    )
    database: str = setting("switchboard", DATABASE, "The database to use in that MongoDB.")
    admin_token: str | None = setting(
        None,
        TOKEN,
        "The admin token of this deployment. Without it the first start makes one and prints it, once.",
    )
    routing: RoutingMethod = setting(
        RoutingMethod.LEAST_LOADED,
        one_of(RoutingMethod),
        "How rooms without a department find their agent. A program that calls `assignAgent` itself needs EXTERNAL, "
        "here or as the `routing` of a department: otherwise routing gives the room away first.",
    )
    route_bots_first: bool = setting(
        False, SWITCH, "Whether agents with the role `bot` are offered rooms before all others."
    )
    sign_in_attempts: int = setting(
        10,
        integer(0, 10_000),
        "How often signing in may fail in five minutes, for one user from one address; ten times as often for one user "
        "from all addresses, and for all users from one address. Addresses from which the user has signed in before "
        "are not bound by what fails elsewhere. `0` is no limit. Counted by each process.",
    )
    event_retention_days: float = setting(
        7.0,
        number(0.00001, 3_650),
        "How many days events are kept. A subscription cannot resume from a cursor older than that.",
    )
    log_level: LogLevel = setting(LogLevel.INFO, one_of(LogLevel), "How much to log.")
    mongod_cache_gb: float = setting(
        0.5, number(0.25, 1_024), "How many GB of memory the embedded MongoDB takes for its cache."
    )

    # ---------------------------------------------------------------- what one request may hold

    introspection: bool = setting(
        True, SWITCH, "Whether clients may read the schema. Without it, GraphiQL is not served."
    )
    max_body_kb: int = setting(256, integer(1, 65_536), "The longest body of a request, in KiB.")
    max_message_kb: int = setting(
        256, integer(1, 65_536), "The longest message on a websocket, in KiB; a longer one closes it with 1009."
    )
    max_variable_characters: int = setting(
        65_536,
        integer(1, 100_000_000),
        "The most characters in the texts of an operation's variables together, names of fields included.",
    )
    max_query_seconds: float = setting(
        30.0,
        number(0.1, 3_600),
        "How long a query may take; `UNAVAILABLE` beyond, and MongoDB ends its reads. "
        "Changes end by themselves after 20.",
    )
    max_variable_values: int = setting(
        2_500,
        integer(10, 1_000_000),
        "The most values in the variables of an operation, those in lists and objects counted each.",
    )
    max_characters: int = setting(100_000, integer(100, 10_000_000), "The longest document, in characters.")
    max_tokens: int = setting(
        5_000, integer(10, 1_000_000), "The most tokens (names, punctuation, values) in a document."
    )
    max_depth: int = setting(20, integer(1, 200), "How deep selections may be nested.")
    max_aliases: int = setting(100, integer(0, 100_000), "The most aliases in an operation.")
    max_directives: int = setting(50, integer(0, 100_000), "The most directives in an operation.")
    max_root_fields: int = setting(50, integer(1, 100_000), "The most fields at the root of an operation.")
    max_document_operations: int = setting(50, integer(1, 100_000), "The most operations in a document.")
    max_fragments: int = setting(100, integer(0, 100_000), "The most fragments in a document.")
    max_repetitions: int = setting(
        50, integer(0, 100_000), "How often names may be given again in the same selection, in a whole document."
    )
    max_spreads: int = setting(40, integer(0, 100_000), "The most fragments spread in one selection.")
    max_complexity: int = setting(
        200_000,
        integer(10, 1_000_000_000),
        "The most points of complexity in an operation: each field is one, as often as the pages and lists around it "
        "may repeat it.",
    )

    # ---------------------------------------------------------------- connections

    max_header_kb: int = setting(
        32, integer(1, 1_024), "The longest header of a request, all fields together, in KiB; status 431 beyond."
    )
    header_seconds: float = setting(
        10.0,
        number(0.1, 3_600),
        "How long a client may take to send the header of a request: the first after it connected, others after their "
        "first byte. Status 408 beyond, or nothing when nothing was sent.",
    )
    body_seconds: float = setting(
        30.0, number(0.1, 3_600), "How long a client may take to send the body of a request; status 408 beyond."
    )
    idle_seconds: float = setting(
        75.0,
        number(0.1, 86_400),
        "How long a connection stays open between two requests. Longer than proxies in front keep theirs (60 s with "
        "most), which would find it closed at the moment they send the next one.",
    )
    max_connections: int = setting(
        50_000,
        integer(1, 10_000_000),
        "The most connections of one process, websockets included. Beyond, the one that has been idle for the longest "
        "time is closed; when none is idle, new ones get status 503, or close code 1013. Lower where the system allows "
        "too few file descriptors (`ulimit -n`), of which 64 stay free.",
    )
    max_new_connections: int = setting(
        10_000,
        integer(1, 10_000_000),
        "The most connections that have not sent a whole request yet, or as websockets no `connection_init`. Beyond, "
        "the oldest of them is closed. They do not count as `SWITCHBOARD_MAX_CONNECTIONS`. At most half of the file "
        "descriptors.",
    )
    max_frames_per_second: int = setting(
        2_000,
        integer(10, 10_000_000),
        "How many frames a second one websocket may send in the long run, pings and parts of messages included; ten "
        "times as many at once. Close code 1008 beyond. A twentieth of it without a token.",
    )
    max_kb_per_second: int = setting(
        2_048,
        integer(1, 10_000_000),
        "How many KiB a second one websocket may send in the long run; ten times as many at once. Close code 1008 "
        "beyond. A twentieth of it without a token.",
    )

    # ---------------------------------------------------------------- how much one caller may do

    max_operations_per_connection: int = setting(
        1_000,
        integer(1, 1_000_000),
        "The most operations under way on one websocket, subscriptions above all. To watch more rooms than this, ask "
        "for them in one subscription.",
    )
    max_operations_per_caller: int = setting(
        50_000, integer(1, 10_000_000), "The most subscriptions of one app or user in one process."
    )
    max_connections_per_caller: int = setting(
        50_000, integer(1, 10_000_000), "The most websockets of one app or user in one process."
    )
    max_anonymous_connections: int = setting(
        1_000,
        integer(0, 10_000_000),
        "The most websockets without a token from one address in one process; ten times as many, and no fewer than "
        "100, before they have said whether they have one.",
    )
    rate_per_caller: float = setting(
        0.0,
        number(0, 10_000_000),
        "How many operations a second one app or user may begin in the long run, in one process; ten times as many at "
        "once. `0` is no limit.",
    )
    rate_per_address: float = setting(
        0.0, number(0, 10_000_000), "The same for all operations from one address, with a token or without."
    )

    # ---------------------------------------------------------------- browsers and proxies

    allowed_origins: tuple[str, ...] = setting(
        (),
        ORIGINS,
        "Which other sites' pages may use the API, by websocket and by fetch (CORS): origins as browsers send them, "
        "and as the log names those it refused. `*` is one label of a host. Pages of the host itself always may.",
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        NETWORKS,
        "The proxies that are believed when they say whom they speak for, in `X-Forwarded-For` and "
        "`X-Forwarded-Proto`.",
    )
    base_path: str = setting("", PATH_PREFIX, "The path under which everything is served, when it is not the root.")


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
        text = environment.get(variable_name(field.name), "").strip()
        if text:
            values[field.name] = parse_setting(field.name, text, variable_name(field.name))
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
    known = {variable_name(field.name) for field in dataclasses.fields(Settings)}
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def variable_name(name: str) -> str:
    return PREFIX + name.upper()


def list_settings() -> list[Entry]:
    """Every setting, in the order of Settings, as documentation shows it."""
    return [
        Entry(
            variable_name(field.name),
            format_default(field.default),
            field.metadata["parser"].expected,
            field.metadata["meaning"],
        )
        for field in dataclasses.fields(Settings)
    ]


def format_default(value: object) -> str:
    """A default as one would write it in the environment; empty for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
