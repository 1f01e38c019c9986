from typing import Any, cast

import pytest
import strawberry
from graphql import ExecutionResult, execute, execute_sync, parse

from resolvers.context import Context
from schema import events
from schema.context import RequestContext
from schema.execution import Executor, prepare
from schema.rooms import Room
from schema.schema import schema
from storage import facts
from tests.schema.test_events import SNAPSHOT, _fact

CONTEXT = RequestContext(Context(services=None))  # type: ignore[arg-type]
EVERYTHING = """
  __typename
  id cursor sequence type occurredAt actor { type id name } clientMutationId
  ... on RoomEvent {
    roomRevision
    room {
      visitor { id token name email customFields { key value } createdAt }
      id status revision source subject tags priority startedAt assignedAt closedAt closeComment
      department { id name enabled routing externalTimeoutSeconds fallbackRouting }
      servedBy { ...agent } lastServedBy { ...agent }
      customFields { key value } caseId: customField(key: "caseId") none: customField(key: "none")
    }
  }
  ... on AgentAssigned { cause agent { ...agent } previousAgent { ...agent } }
  ... on UserCreated { user { ...user agent { ...agent } } }
"""
FRAGMENTS = """
  fragment agent on Agent {
    id status maxRooms openRoomCount routable lastAssignedAt departments { id } user { ...user }
  }
  fragment user on User {
    id username name emails type active presence roles { __typename name } customFields { key value }
    createdAt updatedAt
  }
"""


@strawberry.type
class Thing:
    name: str
    count: int | None = None
    tags: list[str] = strawberry.field(default_factory=list)


@strawberry.type
class Query:
    @strawberry.field
    def thing(self) -> Thing | None:
        return cast(Thing, self)


THINGS = strawberry.Schema(Query)
prepare(THINGS._schema)


def _of_thing(selection: str, thing: Thing, executor: type[Executor] | None) -> ExecutionResult:
    document = parse(f"{{ thing {{ {selection} }} }}")
    return execute_sync(THINGS._schema, document, thing, executor_class=executor)


@pytest.mark.parametrize("kind", [facts.AgentAssigned, facts.RoomUpdated, facts.UserCreated, facts.VisitorSaved])
async def test_short_way_answers_what_the_long_way_does(kind: type[facts.Fact]) -> None:
    document = parse(f"subscription {{ events {{ {EVERYTHING} }} }} {FRAGMENTS}")

    answers = []
    for executor in (Executor, None):
        context = RequestContext(Context(services=None))  # type: ignore[arg-type]
        event = events.of(_fact(kind))
        result: Any = execute(schema._schema, document, event, context, executor_class=executor)
        answers.append(result if isinstance(result, ExecutionResult) else await result)

    assert answers[0].errors is None
    assert answers[0] == answers[1]


def test_answer_is_in_the_order_of_the_question() -> None:
    document = parse(
        "subscription { events { ... on RoomEvent { room { visitor { name token } id department { id } status } } } }"
    )
    event = events.of(_fact(facts.RoomQueued))

    result = execute_sync(schema._schema, document, event, CONTEXT, executor_class=Executor)

    assert result.data is not None
    room = result.data["events"]["room"]
    assert list(room) == ["visitor", "id", "department", "status"]
    assert list(room["visitor"]) == ["name", "token"]
    assert room["id"] == Room.at(SNAPSHOT).id


@pytest.mark.parametrize(
    "thing",
    [
        Thing(name=cast(str, None)),
        Thing(name="a", count=2**40),
        Thing(name="a", count=cast(int, "5")),
        Thing(name=cast(str, 5), tags=cast(list[str], ("b",))),
        Thing(name="a", tags=cast(list[str], ["b", None])),
    ],
)
def test_value_that_does_not_fit_is_told_as_the_long_way_tells_it(thing: Thing) -> None:
    short, long = (_of_thing("tags name count", thing, executor) for executor in (Executor, None))

    assert short == long
