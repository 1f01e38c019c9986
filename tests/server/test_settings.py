import dataclasses
from pathlib import Path

import pytest

from schema.execution.cost_limits import Limits
from server.graphql.document_limits import limits_of
from server.settings import LogLevel, SettingError, Settings, read_settings, unknown_variables
from storage.records import RoutingMethod
from tests.setting_texts import list_settings

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_without_variables_every_setting_has_its_default() -> None:
    assert read_settings({"PATH": "/bin"}) == Settings(
        host="127.0.0.1",
        port=8000,
        workers=1,
        data_dir=Path("data"),
        mongodb_uri=None,
        database="switchboard",
        admin_token=None,
        routing=RoutingMethod.LEAST_LOADED,
        route_bots_first=False,
        event_retention_days=7.0,
        log_level=LogLevel.INFO,
        mongod_cache_gb=0.5,
        sign_in_attempts=10,
        introspection=True,
        chat=None,
        max_body_kb=256,
        max_message_kb=256,
        max_variable_characters=65_536,
        max_variable_values=2_500,
        max_query_seconds=30.0,
        max_characters=100_000,
        max_tokens=5_000,
        max_depth=20,
        max_aliases=100,
        max_directives=50,
        max_root_fields=50,
        max_document_operations=50,
        max_fragments=100,
        max_repetitions=50,
        max_spreads=40,
        max_complexity=200_000,
        max_operations_per_connection=1_000,
        max_operations_per_caller=50_000,
        max_connections_per_caller=50_000,
        max_anonymous_connections=1_000,
        rate_per_caller=0.0,
        rate_per_address=0.0,
        visitor_rate=2.0,
        visitor_burst=20,
        visitor_open_rooms=3,
        visitor_subscriptions=20,
        visitor_connections=10,
        allowed_origins=(),
        trusted_proxies=(),
        base_path="",
    )


def test_limits_of_documents_are_those_of_the_schema_by_default() -> None:
    assert limits_of(Settings()) == Limits()


def test_variables_are_read() -> None:
    settings = read_settings(
        {
            "SWITCHBOARD_PORT": " 9000 ",
            "SWITCHBOARD_ROUTING": "round_robin",
            "SWITCHBOARD_ROUTE_BOTS_FIRST": "on",
            "SWITCHBOARD_DATA_DIR": "/srv/data",
            "SWITCHBOARD_HOST": "",
            "SWITCHBOARD_ALLOWED_ORIGINS": "https://A.example:443/, http://b.example:81",
            "SWITCHBOARD_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
            "SWITCHBOARD_BASE_PATH": "live/chat/",
        }
    )

    assert settings == dataclasses.replace(
        Settings(),
        port=9000,
        routing=RoutingMethod.ROUND_ROBIN,
        route_bots_first=True,
        data_dir=Path("/srv/data"),
        allowed_origins=("https://a.example", "http://b.example:81"),
        trusted_proxies=("10.0.0.0/8", "::1/128"),
        base_path="/live/chat",
    )


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("PORT", "eighty", 'SWITCHBOARD_PORT must be a whole number from 0 to 65535, not "eighty".'),
        ("PORT", "70000", 'SWITCHBOARD_PORT must be a whole number from 0 to 65535, not "70000".'),
        (
            "ROUTING",
            "FASTEST",
            'SWITCHBOARD_ROUTING must be one of LEAST_LOADED, ROUND_ROBIN, MANUAL, EXTERNAL, not "FASTEST".',
        ),
        ("ROUTE_BOTS_FIRST", "maybe", 'SWITCHBOARD_ROUTE_BOTS_FIRST must be on or off, not "maybe".'),
        (
            "EVENT_RETENTION_DAYS",
            "nan",
            'SWITCHBOARD_EVENT_RETENTION_DAYS must be a number from 0.00001 to 3650, not "nan".',
        ),
        ("LOG_LEVEL", "loud\n", 'SWITCHBOARD_LOG_LEVEL must be one of debug, info, warning, error, not "loud".'),
        (
            "MONGODB_URI",
            "http://me:secret@host",
            "SWITCHBOARD_MONGODB_URI must be a URI that begins with mongodb:// or mongodb+srv://.",
        ),
        (
            "ALLOWED_ORIGINS",
            "x",
            (
                "SWITCHBOARD_ALLOWED_ORIGINS must be origins such as https://example.org, https://*.example.org, "
                'capacitor://localhost or null, separated by commas, not "x".'
            ),
        ),
        (
            "TRUSTED_PROXIES",
            "x",
            'SWITCHBOARD_TRUSTED_PROXIES must be IP addresses or networks, separated by commas, not "x".',
        ),
        ("BASE_PATH", "/", 'SWITCHBOARD_BASE_PATH must be a path such as /switchboard, not "/".'),
        (
            "ADMIN_TOKEN",
            "short",
            "SWITCHBOARD_ADMIN_TOKEN must be 8 to 256 printable ASCII characters without spaces.",
        ),
    ],
)
def test_wrong_value_is_refused_with_the_variable_and_the_allowed_values(
    variable: str, value: str, message: str
) -> None:
    with pytest.raises(SettingError) as caught:
        read_settings({f"SWITCHBOARD_{variable}": value})

    assert str(caught.value) == message


def test_unknown_variables_are_found() -> None:
    environment = {"SWITCHBOARD_PROT": "1", "SWITCHBOARD_PORT": "1", "SWITCHBOARD_HOTS": "1", "HOME": "/"}

    assert unknown_variables(environment) == ["SWITCHBOARD_HOTS", "SWITCHBOARD_PROT"]


def test_reference_page_matches_the_settings() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]

    assert rows == [
        f"| `{entry.variable}` | {f'`{entry.default}`' if entry.default else ''} | {entry.expected} | {entry.meaning} |"
        for entry in list_settings()
    ]


@pytest.mark.parametrize("name", ["admin", "Admin", "config", "local", "a.b", "$external", "x" * 64])
def test_reserved_databases_are_refused(name: str) -> None:
    with pytest.raises(SettingError) as caught:
        read_settings({"SWITCHBOARD_DATABASE": name})

    assert str(caught.value) == (
        "SWITCHBOARD_DATABASE must be 1 to 63 letters, digits, - and _, and not one of MongoDB's own databases "
        f'(admin, config, local), not "{name}".'
    )
