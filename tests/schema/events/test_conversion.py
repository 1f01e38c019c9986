from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from graphql import ExecutionResult, GraphQLInterfaceType, GraphQLObjectType, execute_sync, parse

from resolvers.context import Context
from resolvers.events import cursor_of
from schema.events import conversion
from schema.events.event_types import EventType
from schema.execution.context import RequestContext
from schema.schema import schema
from storage import facts, message_records, records
from storage.changes import Change

MOMENT = datetime(2030, 1, 1, tzinfo=UTC)
ACTOR = records.Actor(type=records.ActorType.APP, id="app", name="crm")
ANN = records.User(
    id="ann",
    username="ann",
    roles=("bot", "livechat-agent"),
    custom_fields={"externalId": "x1"},
    agent=records.AgentProfile(max_rooms=2, open_room_count=1, department_ids=("sales",)),
    created_at=MOMENT,
    updated_at=MOMENT,
)
BOB = records.User(id="bob", username="bob", created_at=MOMENT, updated_at=MOMENT)
SALES = records.Department(id="sales", name="Sales")
VISITOR = records.Visitor(id="vi", token="v1", name="Vi", created_at=MOMENT)
ROOM = records.Room(
    id="room",
    status=records.RoomStatus.ASSIGNED,
    revision=2,
    visitor_id="vi",
    department_id="sales",
    served_by_id="ann",
    last_served_by_id="ann",
    custom_fields={"due": MOMENT, "caseId": "c1"},
    started_at=MOMENT,
)
SNAPSHOT = records.RoomSnapshot(room=ROOM, visitor=VISITOR, department=SALES, served_by=ANN, former=BOB)
MESSAGE = message_records.Message(id="m", room_id="room", number=3, text="hi", sender=ACTOR, sent_at=MOMENT)
DEFINITION = records.FieldDefinition(
    id="f", target=records.FieldTarget.USER, key="k", type=records.FieldType.TEXT, label="k"
)
#: What the facts of each kind carry besides what all facts do.
DATA: dict[type[facts.Fact], dict[str, object]] = {
    facts.AgentAssigned: {"cause": facts.AssignmentCause.ROUTED, "previous_agent": BOB},
    facts.AgentUnassigned: {"cause": facts.AssignmentCause.CLOSED},
    facts.RoomUpdated: {"changes": (Change("subject", "before"),)},
    facts.MessageEdited: {"previous_text": "ho"},
    facts.TimerElapsed: {"name": "t", "data_json": "[1]", "set_by": ACTOR},
    facts.VisitorSaved: {"visitor": VISITOR},
    facts.DepartmentSaved: {"department": SALES},
    facts.RoleCreated: {"role": records.Role(id="r", name="r")},
    facts.RoleUpdated: {"role": records.Role(id="r", name="r")},
}
BASES: dict[type[facts.Fact], dict[str, object]] = {
    facts.RoomFact: {"room": SNAPSHOT},
    facts.MessageFact: {"message": MESSAGE},
    facts.UserFact: {"user": ANN},
    facts.FieldFact: {"definition": DEFINITION},
    facts.AppFact: {"app": records.App(id="a", name="crm", scopes=("rooms:read",), created_at=MOMENT)},
}
KINDS: tuple[type[facts.Fact], ...] = get_args(facts.AnyFact)


def _fact(kind: type[facts.Fact]) -> Any:
    data = {key: value for base, values in BASES.items() if issubclass(kind, base) for key, value in values.items()}
    return kind(
        id="subject-2",
        occurred_at=MOMENT,
        actor=ACTOR,
        client_mutation_id="m1",
        sequence=7,
        **data,
        **DATA.get(kind, {}),
    )


def _deliver(kind: type[facts.Fact], selection: str) -> ExecutionResult:
    """The result of a subscription for the fact. There is no database, so a read would fail."""
    context = RequestContext(Context(services=None))  # type: ignore[arg-type]
    document = parse(f"subscription {{ events {{ {selection} }} }}")
    return execute_sync(schema._schema, document, conversion.event_from_fact(_fact(kind)), context)


@pytest.mark.parametrize("kind", KINDS)
def test_every_fact_becomes_the_event_with_its_name(kind: type[facts.Fact]) -> None:
    result = _deliver(kind, "__typename id cursor sequence type occurredAt actor { type id name } clientMutationId")

    assert result.errors is None
    assert result.data == {
        "events": {
            "__typename": kind.__name__,
            "id": "evt_subject-2",
            "cursor": cursor_of(7),
            "sequence": 7,
            "type": kind.__struct_config__.tag,
            "occurredAt": "2030-01-01T00:00:00Z",
            "actor": {"type": "APP", "id": "app_app", "name": "crm"},
            "clientMutationId": "m1",
        }
    }


def test_every_kind_of_fact_has_an_event_type() -> None:
    assert {kind.value for kind in EventType} == {kind.__struct_config__.tag for kind in KINDS}


def test_every_event_implements_the_interface() -> None:
    interface = schema._schema.type_map["Event"]
    assert isinstance(interface, GraphQLInterfaceType)

    implementations = schema._schema.get_possible_types(interface)

    assert all(isinstance(type_, GraphQLObjectType) for type_ in implementations)
    assert {type_.name for type_ in implementations} == {kind.__name__ for kind in KINDS}


def test_room_event_has_the_users_as_of_the_fact_without_a_read() -> None:
    result = _deliver(
        facts.AgentAssigned,
        """
        ... on AgentAssigned {
          roomRevision cause
          agent {
            agentId userId openRoomCount maxRooms departmentIds
            user { username roles customField(key: "externalId") agent { agentId } }
          }
          previousAgent { agentId status departmentIds user { agent { agentId } } }
          room {
            roomId status revision queuedAt customFields { key value }
            visitor { visitorId token } department { departmentId name }
            servedBy { agentId } lastServedBy { agentId }
          }
        }
        """,
    )

    assert result.errors is None
    assert result.data == {
        "events": {
            "roomRevision": 2,
            "cause": "ROUTED",
            "agent": {
                "agentId": "agt_ann",
                "userId": "usr_ann",
                "openRoomCount": 1,
                "maxRooms": 2,
                "departmentIds": ["dep_sales"],
                "user": {
                    "username": "ann",
                    "roles": ["bot", "livechat-agent"],
                    "customField": "x1",
                    "agent": {"agentId": "agt_ann"},
                },
            },
            "previousAgent": {
                "agentId": "agt_bob",
                "status": "NOT_AVAILABLE",
                "departmentIds": [],
                "user": {"agent": None},
            },
            "room": {
                "roomId": "room_room",
                "status": "ASSIGNED",
                "revision": 2,
                "queuedAt": None,
                "customFields": [{"key": "caseId", "value": "c1"}, {"key": "due", "value": "2030-01-01T00:00:00Z"}],
                "visitor": {"visitorId": "vis_vi", "token": "v1"},
                "department": {"departmentId": "dep_sales", "name": "Sales"},
                "servedBy": {"agentId": "agt_ann"},
                "lastServedBy": {"agentId": "agt_ann"},
            },
        }
    }


def test_agent_who_is_unassigned_is_the_one_who_served_the_room() -> None:
    result = _deliver(facts.AgentUnassigned, "... on AgentUnassigned { agent { agentId } nextAgent { agentId } cause }")

    assert result.data == {"events": {"agent": {"agentId": "agt_bob"}, "nextAgent": None, "cause": "CLOSED"}}


def test_message_event_has_the_message_and_the_room_side_by_side() -> None:
    result = _deliver(
        facts.MessageSent, "... on MessageSent { room { revision } message { messageId number text sender { name } } }"
    )

    assert result.data == {
        "events": {
            "room": {"revision": 2},
            "message": {"messageId": "msg_m", "number": 3, "text": "hi", "sender": {"name": "crm"}},
        }
    }


def test_the_end_of_a_timer_shows_what_was_set() -> None:
    result = _deliver(facts.TimerElapsed, "... on TimerElapsed { roomRevision name data setBy { type id name } }")

    assert result.data == {
        "events": {
            "roomRevision": 2,
            "name": "t",
            "data": [1],
            "setBy": {"type": "APP", "id": "app_app", "name": "crm"},
        }
    }


@pytest.mark.parametrize(
    ("kind", "selection", "shown"),
    [
        (facts.VisitorSaved, "visitor { visitorId token name phone }", ("vis_vi", "v1", "Vi", None)),
        (facts.DepartmentSaved, "department { departmentId name enabled }", ("dep_sales", "Sales", True)),
        (facts.RoleCreated, "role { roleId name description }", ("rol_r", "r", None)),
        (facts.CustomFieldRemoved, "definition { definitionId target key }", ("fld_f", "USER", "k")),
        (facts.AppRevoked, "app { appId name scopes active }", ("app_a", "crm", ["rooms:read"], True)),
        (facts.UserUpdated, "user { userId username }", ("usr_ann", "ann")),
    ],
)
def test_event_shows_the_record_of_its_fact(kind: type[facts.Fact], selection: str, shown: tuple[object, ...]) -> None:
    result = _deliver(kind, f"... on {kind.__name__} {{ {selection} }}")

    assert result.data is not None, result.errors
    (snapshot,) = result.data["events"].values()
    assert tuple(snapshot.values()) == shown


def test_no_snapshot_has_an_id() -> None:
    """A client's normalized cache identifies objects by `id`, and would overwrite an entity with an older state."""
    types = [
        type_
        for name, type_ in schema._schema.type_map.items()
        if name.endswith("Snapshot") and isinstance(type_, GraphQLObjectType)
    ]

    assert len(types) == 9
    assert [type_.name for type_ in types if "id" in type_.fields] == []
