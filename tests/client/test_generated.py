"""The generated modules have every operation and event of the schema, and the server accepts their documents."""

import inspect
from pathlib import Path

import msgspec
import pytest
from graphql import GraphQLInterfaceType, build_schema, parse, validate

from codegen.__main__ import GENERATED, main
from switchboard_client import Api, errors
from switchboard_client.event_documents import consumer_subscription, events_query, events_subscription
from switchboard_client.events import EVENTS, Event
from switchboard_client.generated import operations
from switchboard_client.operation import Operation
from switchboard_client.types import Change, RoomStatus
from tests.client.support import new_app, served

SCHEMA = build_schema((Path(__file__).parents[2] / "schema" / "schema.graphql").read_text(encoding="utf-8"))
OPERATIONS: dict[str, Operation[object]] = {
    name: value for name, value in vars(operations).items() if isinstance(value, Operation)
}


def test_every_document_is_valid() -> None:
    documents = {name: operation.document for name, operation in OPERATIONS.items()}
    documents |= {"query": events_query(()).document, "live": events_subscription(()).document}
    documents["consumer"] = consumer_subscription(()).document

    assert {name: validate(SCHEMA, parse(text)) for name, text in documents.items()} == {key: [] for key in documents}


def test_every_mutation_has_a_method_with_its_fields() -> None:
    assert SCHEMA.mutation_type is not None
    for name, field in SCHEMA.mutation_type.fields.items():
        method = getattr(Api, "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name))
        fields = getattr(field.args["input"].type, "of_type").fields  # noqa: B009
        assert len(inspect.signature(method).parameters) == len(fields) + 1, name


def test_every_type_of_event_has_a_class() -> None:
    interface = SCHEMA.type_map["Event"]
    assert isinstance(interface, GraphQLInterfaceType)
    assert {type_.__name__ for type_ in EVENTS} == {one.name for one in SCHEMA.get_implementations(interface).objects}


def test_every_code_has_a_class() -> None:
    codes = getattr(SCHEMA.type_map["ErrorCode"], "values")  # noqa: B009
    assert {code: cls.code for code, cls in errors.BY_CODE.items()} == {code: code for code in codes}


async def test_server_accepts_a_handler_of_all_types_at_once(shared_url: str) -> None:
    app = new_app(shared_url)

    @app.on(*EVENTS)
    async def handle(event: Event, api: Api) -> None:
        """Events of other tests may arrive."""

    async with served(app) as api:
        assert (await api.events(*EVENTS, first=1)).nodes[0].sequence == 1


def test_values_and_fields_that_a_newer_server_sends_are_taken() -> None:
    assert msgspec.json.decode(b'"PARKED"', type=RoomStatus) == "PARKED"
    assert msgspec.json.decode(b'"QUEUED"', type=RoomStatus) is RoomStatus.QUEUED
    known = Change(field="priority", before=0, after=1)
    assert msgspec.json.decode(b'{"field": "priority", "before": 0, "after": 1, "new": 2}', type=Change) == known


def test_check_tells_what_is_not_up_to_date(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    present = {path.name: path.read_text(encoding="utf-8") for path in GENERATED.glob("*.py")}
    monkeypatch.setattr("codegen.__main__.render", lambda: {**present, "enums.py": "changed"})

    assert main(["--check"]) == 1
    assert "enums.py" in capsys.readouterr().out
    monkeypatch.setattr("codegen.__main__.render", lambda: present)
    assert main(["--check"]) == 0
