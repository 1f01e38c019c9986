"""Everything that docs/reference/for-apps.md names exists in the schema and in the client."""

import re
from pathlib import Path

from graphql import GraphQLObjectType, build_schema

import switchboard_client
from switchboard_client import Api, App
from switchboard_client.events import Event, RoomEvent

ROOT = Path(__file__).parents[2]
SCHEMA = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (ROOT / "docs" / "reference" / "for-apps.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| (?!need )(?!-)", line)
]


def names(column: int) -> list[str]:
    return [name for row in ROWS for name in re.findall(r"`([\w.]+)`", row[column])]


def test_every_row_has_four_columns_and_something_that_gives_what_it_needs() -> None:
    assert len(ROWS) == 45
    assert [row for row in ROWS if len(row) != 4] == []
    assert [row[0] for row in ROWS if not re.search("`", "".join(row[1:]))] == []


def test_every_operation_exists() -> None:
    roots = (SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type)
    operations = {name for root in roots if root is not None for name in root.fields}
    types = {name: type_ for name, type_ in SCHEMA.type_map.items() if isinstance(type_, GraphQLObjectType)}
    fields = {f"{name}.{field}" for name, type_ in types.items() for field in type_.fields}

    assert [name for name in names(1) if name not in operations | fields] == []


def test_every_event_exists() -> None:
    interface = SCHEMA.get_implementations(SCHEMA.type_map["Event"])  # type: ignore[arg-type]
    events = {type_.name for type_ in interface.objects}

    assert [name for name in names(2) if name not in events] == []


def test_every_call_of_the_client_exists() -> None:
    owners = {"api": Api, "app": App, "event": RoomEvent}
    missing = []
    for name in names(3):
        owner, _, attribute = name.rpartition(".")
        found = hasattr(owners[owner], attribute) if owner else hasattr(switchboard_client, name)
        if not found and attribute not in getattr(owners.get(owner), "__struct_fields__", ()):
            missing.append(name)

    assert missing == []
    assert issubclass(RoomEvent, Event)
