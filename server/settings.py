"""The settings of a deployment, read from environment variables. docs/reference/settings.md shows their texts."""

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
from storage.records import AgentGoneAction, RoutingMethod

PREFIX = "SWITCHBOARD_"
#: The URI of the database that `switchboard import` reads, which no server has.
IMPORT_URI = "SWITCHBOARD_IMPORT_URI"
OTHER_VARIABLES = frozenset({IMPORT_URI})


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


class SettingError(Exception):
    """The value of a setting is invalid. The message is one line that names the setting and the valid values."""


def setting(default: Any, parser: Parser, meaning: str) -> Any:
    return dataclasses.field(default=default, metadata={"parser": parser, "meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One field for each environment variable: `mongodb_uri` is SWITCHBOARD_MONGODB_URI."""

    host: str = setting(
        "127.0.0.1",
        HOST,
        "The address to listen on. `0.0.0.0` is every IPv4 address of the machine: use a proxy with TLS then.",
    )
    port: int = setting(
        8000, integer(0, 65_535), "The TCP port to listen on. With `0` the server takes a free port and prints it."
    )
    workers: int = setting(
        1, integer(1, 256), "The number of server processes. Each uses one core; they share the port and the database."
    )
    data_dir: Path = setting(
        Path("data"),
        FOLDER,
        "The data folder of the embedded MongoDB, created if missing. Not used with `SWITCHBOARD_MONGODB_URI`.",
    )
    mongodb_uri: str | None = setting(
        None,
        URI,
        "The URI of a MongoDB 6.0 or later: a replica set (one node is enough) or a sharded cluster. `readPreference`, "
        "`w`, `readConcernLevel` and `compressors` have no effect; a `maxPoolSize` must be 64 or more. Without this "
        "setting Switchboard runs an embedded MongoDB.",
    )
    database: str = setting("switchboard", DATABASE, "The name of the database in MongoDB.")
    admin_token: str | None = setting(
        None,
        TOKEN,
        "The admin token of the deployment. Without it the first start creates a token and prints it once.",
    )
    routing: RoutingMethod = setting(
        RoutingMethod.LEAST_LOADED,
        one_of(RoutingMethod),
        "The routing method of rooms without a department. A program that calls `assignAgent` itself needs EXTERNAL, "
        "here or as the `routing` of a department: otherwise Switchboard assigns the room first.",
    )
    external_timeout_seconds: int | None = setting(
        None,
        integer(1, 86_400),
        "With `SWITCHBOARD_ROUTING=EXTERNAL`: how many seconds a room without a department waits for the decision of "
        "an app, before `SWITCHBOARD_FALLBACK_ROUTING` routes it. Without this setting it waits without a limit.",
    )
    fallback_routing: RoutingMethod = setting(
        RoutingMethod.LEAST_LOADED,
        one_of(RoutingMethod, excluding=(RoutingMethod.EXTERNAL,)),
        "With `SWITCHBOARD_ROUTING=EXTERNAL`: the routing method of rooms without a department that no app decides "
        "about.",
    )
    route_bots_first: bool = setting(
        False, SWITCH, "Whether agents with the role `bot` are offered rooms before other agents."
    )
    when_agent_gone: AgentGoneAction = setting(
        AgentGoneAction.KEEP,
        one_of(AgentGoneAction),
        "What happens to ASSIGNED rooms without a department whose agent (without the role `bot`) has been OFFLINE for "
        "`SWITCHBOARD_AGENT_GONE_AFTER_SECONDS`: KEEP, or REQUEUE, which returns them to the queue. Departments have "
        "their own `whenAgentGone`.",
    )
    agent_gone_after_seconds: int = setting(
        300,
        integer(0, 31_536_000),
        "How many seconds an agent must have been OFFLINE before `SWITCHBOARD_WHEN_AGENT_GONE` applies to its rooms "
        "without a department. Departments have their own `agentGoneAfterSeconds`.",
    )
    sign_in_attempts: int = setting(
        10,
        integer(0, 10_000),
        "The most failed logins in five minutes for one user from one address; ten times as many for one user from all "
        "addresses, and for all users from one address. Failures from other addresses do not limit an address from "
        "which the user has logged in before. `0` is no limit. Each process counts separately.",
    )
    event_retention_days: float = setting(
        7.0,
        number(0.00001, 3_650),
        "How many days events are kept. A subscription cannot resume from an older cursor.",
    )
    metrics_port: int | None = setting(
        None,
        integer(0, 65_535),
        "The TCP port of `/metrics`, for Prometheus, without a token. With `0` the server takes a free port and prints "
        "it. Without this setting no metrics are served.",
    )
    metrics_host: str = setting("127.0.0.1", HOST, "The address to listen on for `/metrics`.")
    drain_seconds: float = setting(
        0.0,
        number(0, 300),
        "How many seconds a server continues to serve after the first stop signal, while `/health/ready` answers 503 "
        "and responses close their connections, so that balancers send new requests to other servers. A second signal "
        "ends this time.",
    )
    log_level: LogLevel = setting(LogLevel.INFO, one_of(LogLevel), "The least severe level that is logged.")
    log_format: LogFormat = setting(
        LogFormat.AUTO,
        one_of(LogFormat),
        "The format of the log on stderr: `text`, or `json` with one object a line. `auto` is `text` in a terminal, "
        "and `json` otherwise.",
    )
    log_requests: bool = setting(
        True, SWITCH, "Whether each operation that ends is logged, with its caller, name, code and duration."
    )
    traces: bool = setting(
        False,
        SWITCH,
        "Whether traces are sent to a collector of OpenTelemetry. It needs the extra `traces` of the "
        "wheel, and reads where to send them from `OTEL_EXPORTER_OTLP_ENDPOINT`, by default `http://localhost:4318`.",
    )
    mongod_cache_gb: float = setting(0.5, number(0.25, 1_024), "The cache size of the embedded MongoDB, in GB.")

    # ---------------------------------------------------------------- limits of one request

    introspection: bool = setting(True, SWITCH, "Whether clients may read the schema. If off, GraphiQL is not served.")
    max_body_kb: int = setting(256, integer(1, 65_536), "The longest body of an HTTP request, in KiB.")
    max_message_kb: int = setting(
        256,
        integer(1, 65_536),
        "The longest message on a websocket, in KiB. A longer one closes the websocket with code 1009.",
    )
    max_variable_characters: int = setting(
        65_536,
        integer(1, 100_000_000),
        "The most characters in all texts of an operation's variables together, names of fields included.",
    )
    max_query_seconds: float = setting(
        30.0,
        number(0.1, 3_600),
        "The most seconds that a query may take. Then it fails with `UNAVAILABLE`, and MongoDB ends its reads. "
        "Mutations have a fixed deadline of 20 seconds.",
    )
    max_variable_values: int = setting(
        2_500,
        integer(10, 1_000_000),
        "The most values in the variables of an operation. Each value in a list or object counts.",
    )
    max_characters: int = setting(100_000, integer(100, 10_000_000), "The most characters in a document.")
    max_tokens: int = setting(
        5_000, integer(10, 1_000_000), "The most tokens (names, punctuation, values) in a document."
    )
    max_depth: int = setting(20, integer(1, 200), "The deepest nesting of selections.")
    max_aliases: int = setting(100, integer(0, 100_000), "The most aliases in an operation.")
    max_directives: int = setting(50, integer(0, 100_000), "The most directives in an operation.")
    max_root_fields: int = setting(50, integer(1, 100_000), "The most fields at the root of an operation.")
    max_document_operations: int = setting(50, integer(1, 100_000), "The most operations in a document.")
    max_fragments: int = setting(100, integer(0, 100_000), "The most fragments in a document.")
    max_repetitions: int = setting(
        50, integer(0, 100_000), "The most repetitions of a field name in the same selection, in a whole document."
    )
    max_spreads: int = setting(40, integer(0, 100_000), "The most fragments spread in one selection.")
    max_complexity: int = setting(
        200_000,
        integer(10, 1_000_000_000),
        "The highest complexity of an operation. Each field counts one point, multiplied by the lengths of the pages "
        "and lists around it.",
    )

    # ---------------------------------------------------------------- connections

    max_header_kb: int = setting(
        32,
        integer(1, 1_024),
        "The longest header of an HTTP request, all fields together, in KiB. A longer one has the status 431.",
    )
    header_seconds: float = setting(
        10.0,
        number(0.1, 3_600),
        "The most seconds that a client may take to send the header of a request: of the first request from the "
        "connection on, of others from their first byte on. Then the status is 408, or the connection is closed if "
        "nothing was sent.",
    )
    body_seconds: float = setting(
        30.0,
        number(0.1, 3_600),
        "The most seconds that a client may take to send the body of a request. Then the status is 408.",
    )
    idle_seconds: float = setting(
        75.0,
        number(0.1, 86_400),
        "How many seconds a connection stays open between two requests. It must be longer than the idle timeout of a "
        "proxy (60 s by default in most), which would otherwise send a request on a closed connection.",
    )
    max_connections: int = setting(
        50_000,
        integer(1, 10_000_000),
        "The most connections of one process, websockets included. Beyond that, the connection that has been idle for "
        "the longest time is closed; if none is idle, a new one gets the status 503, or close code 1013. The limit is "
        "lower if the system allows too few file descriptors (`ulimit -n`), of which 96 stay free.",
    )
    max_new_connections: int = setting(
        10_000,
        integer(1, 10_000_000),
        "The most connections that have not sent a complete request yet, or no `connection_init` on a websocket. "
        "Beyond that, the oldest of them is closed. They do not count in `SWITCHBOARD_MAX_CONNECTIONS`. They take at "
        "most a quarter of the file descriptors.",
    )
    max_frames_per_second: int = setting(
        2_000,
        integer(10, 10_000_000),
        "The most frames per second that one websocket may send on average, pings and parts of messages included. A "
        "burst may have ten times as many. Beyond that, the close code is 1008. Without a token, and for visitors, the "
        "limit is a twentieth.",
    )
    max_kb_per_second: int = setting(
        2_048,
        integer(1, 10_000_000),
        "The most KiB per second that one websocket may send on average. A burst may have ten times as many. Beyond "
        "that, the close code is 1008. Without a token, and for visitors, the limit is a twentieth.",
    )

    # ---------------------------------------------------------------- limits of one caller

    max_operations_per_connection: int = setting(
        1_000,
        integer(1, 1_000_000),
        "The most operations in progress on one websocket, subscriptions included. One subscription can watch many "
        "rooms.",
    )
    max_operations_per_caller: int = setting(
        50_000,
        integer(1, 10_000_000),
        "The most operations in progress of one app or user on websockets and event streams, in one process.",
    )
    max_connections_per_caller: int = setting(
        50_000, integer(1, 10_000_000), "The most websockets of one app or user in one process."
    )
    max_anonymous_connections: int = setting(
        1_000,
        integer(0, 10_000_000),
        "The most websockets without a token from one address in one process. Before their `connection_init`, ten "
        "times as many are allowed, and at least 100.",
    )
    rate_per_caller: float = setting(
        0.0,
        number(0, 10_000_000),
        "The most operations per second that one app or user may start on average, in one process. A burst may have "
        "ten times as many. `0` is no limit.",
    )
    rate_per_address: float = setting(
        0.0,
        number(0, 10_000_000),
        "The most operations per second from one address on average, with or without a token, in one process. A burst "
        "may have ten times as many. `0` is no limit.",
    )
    signal_rate_per_caller: float = setting(
        500.0,
        number(0, 10_000_000),
        "The most signals per second that one app or user may send on average, in one process. A burst may have ten "
        "times as many. `0` is no limit.",
    )
    signal_rate_per_room: float = setting(
        10.0,
        number(0, 10_000_000),
        "The most signals per second in one room on average, in one process. A burst may have ten times as many. `0` "
        "is no limit.",
    )

    # ---------------------------------------------------------------- limits of one visitor

    visitor_rate: float = setting(
        2.0,
        number(0, 10_000_000),
        "The most operations per second that one visitor may start on average, with all tokens of the visitor, in one "
        "process. `0` is no limit.",
    )
    visitor_burst: int = setting(
        20,
        integer(1, 10_000_000),
        "The most operations that one visitor may start at once, after a pause.",
    )
    visitor_open_rooms: int = setting(
        3, integer(0, 10_000_000), "The most open rooms with which a visitor may start another one. `0` is no limit."
    )
    visitor_subscriptions: int = setting(
        20, integer(1, 10_000_000), "The most operations in progress of one visitor, in one process."
    )
    visitor_connections: int = setting(
        10, integer(1, 10_000_000), "The most websockets of one visitor, in one process."
    )

    # ---------------------------------------------------------------- webhooks

    webhook_networks: tuple[str, ...] = setting(
        (),
        NETWORKS,
        "The networks inside to which webhooks may be sent, such as `10.0.0.0/8`: by `http://` too, and to any port. "
        "Without this setting they are sent to addresses of the internet alone, by `https://`, to port 443 or to one "
        "above 1023.",
    )

    # ---------------------------------------------------------------- browsers and proxies

    chat: bool | None = setting(
        None,
        SWITCH,
        "Whether the page `/chat` is served, on which everyone can start a conversation as a new visitor. Without this "
        "setting it is served only if `SWITCHBOARD_HOST` is a loopback address.",
    )
    allowed_origins: tuple[str, ...] = setting(
        (),
        ORIGINS,
        "The origins of other sites whose pages may use the API, by websocket and by fetch (CORS). The log names each "
        "origin that was refused. `*` matches one label of a host. Pages of the same host are always allowed.",
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        NETWORKS,
        "The proxies whose headers `X-Forwarded-For` and `X-Forwarded-Proto` are trusted.",
    )
    base_path: str = setting(
        "", PATH_PREFIX, "The path under which the server serves everything, if it is not the root."
    )


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of this environment. An empty variable counts as not set.

    Raises SettingError for the first invalid value.
    """
    values: dict[str, Any] = {}
    for field in dataclasses.fields(Settings):
        text = environment.get(variable_name(field.name), "").strip()
        if text:
            values[field.name] = parse_setting(field.name, text, variable_name(field.name))
    return Settings(**values)


def parse_setting(name: str, text: str, label: str) -> Any:
    """The value of one setting. `label` names the variable or option in the error."""
    parser: Parser = Settings.__dataclass_fields__[name].metadata["parser"]
    try:
        return parser.parse(text)
    except (ValueError, KeyError):
        # These may contain secrets, so the message does not repeat them.
        shown = "" if name in ("mongodb_uri", "admin_token") else f", not {ascii_quote(text)}"
        raise SettingError(f"{label} must be {parser.expected}{shown}.") from None


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """The variables with the prefix that are no settings, in alphabetical order."""
    names = {variable_name(field.name) for field in dataclasses.fields(Settings)} | OTHER_VARIABLES
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in names)


def variable_name(name: str) -> str:
    return PREFIX + name.upper()
