"""The encoding of custom fields in documents, with the contexts that filters combine with them."""

from datetime import UTC, datetime

from storage.mongo.field_encoding import contexts_of, decode, encode
from storage.records import (
    AgentProfile,
    FieldDefinition,
    FieldTarget,
    FieldType,
    FieldValue,
    Room,
    RoomStatus,
    User,
    Visitor,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEVEL = FieldDefinition(id="F1", target=FieldTarget.ROOM, key="level", type=FieldType.NUMBER, label="")
TOPICS = FieldDefinition(id="F2", target=FieldTarget.ROOM, key="topics", type=FieldType.MULTI_SELECT, label="")


def test_values_are_stored_by_definition_and_once_per_option() -> None:
    values: dict[str, FieldValue] = {"topics": ["a", "b"], "level": 3}

    fields, attrs = encode(values, {"level": LEVEL, "topics": TOPICS}, ("", "s:QUEUED"))

    contexts = ["", "s:QUEUED"]
    assert fields == {"F1": 3, "F2": ["a", "b"]}
    assert attrs == [
        {"k": "F2", "c": contexts, "v": "a\0b"},
        {"k": "F2#", "c": contexts, "v": "a"},
        {"k": "F2#", "c": contexts, "v": "b"},
        {"k": "F1", "c": contexts, "v": 3},
    ]
    assert decode(fields, {"F1": LEVEL, "F2": TOPICS}) == values


def test_values_of_removed_definitions_are_left_out() -> None:
    assert decode({"F1": 3, "F9": "gone"}, {"F1": LEVEL}) == {"level": 3}
    assert encode({"level": 3, "gone": "x"}, {"level": LEVEL}, ("",)) == ({"F1": 3}, [{"k": "F1", "c": [""], "v": 3}])


def test_contexts_are_roles_status_and_departments() -> None:
    agent = AgentProfile(department_ids=("D1", "D2"))
    user = User(id="U", username="u", roles=("bot", "x"), agent=agent, created_at=NOW, updated_at=NOW)
    plain = User(id="U", username="u", roles=("bot",), created_at=NOW, updated_at=NOW)
    room = Room(id="R", status=RoomStatus.QUEUED, revision=1, visitor_id="V", department_id="D1", started_at=NOW)
    anywhere = Room(id="R", status=RoomStatus.CLOSED, revision=1, visitor_id="V", started_at=NOW)

    assert contexts_of(user) == ("", "r:bot", "r:x", "s:AVAILABLE", "d:D1", "d:D2")
    assert contexts_of(plain) == ("", "r:bot")
    assert contexts_of(room) == ("", "s:QUEUED", "d:D1")
    assert contexts_of(anywhere) == ("", "s:CLOSED")
    assert contexts_of(Visitor(id="V", token="t", created_at=NOW)) == ("",)
