"""Compiled selections return the same results and errors as graphql-core alone."""

from dataclasses import replace
from typing import Any, cast

import pytest
import strawberry
from graphql import ExecutionResult, execute, execute_sync, parse

from resolvers import messages
from resolvers.context import Context, Services
from schema.base import ids
from schema.events import conversion
from schema.execution.context import RequestContext
from schema.execution.cost_limits import Limits
from schema.execution.executor import Executor
from schema.schema import schema
from storage import facts, users
from storage.records import RoutingMethod
from tests.resolvers.world import World
from tests.schema.events.test_conversion import _fact

CONTEXT = RequestContext(Context(services=None))  # type: ignore[arg-type]
EVERYTHING = """
  __typename
  id cursor sequence type occurredAt actor { type id name } clientMutationId
  ... on RoomEvent {
    roomRevision
    room {
      visitor { visitorId ... on VisitorFields { token name email customFields { key value } } createdAt }
      roomId ...room closedAt closeComment
      department { departmentId name enabled routing externalTimeoutSeconds fallbackRouting }
      servedBy { ...agent } lastServedBy { ...agent }
      customFields { key value } caseId: customField(key: "caseId") none: customField(key: "none")
    }
  }
  ... on AgentAssigned { cause agent { ...agent } previousAgent { ...agent } }
  ... on UserCreated { user { ...user agent { ...agent } } }
"""
FRAGMENTS = """
  fragment room on RoomFields {
    status revision source subject tags priority startedAt assignedAt queuedAt externalUntil
  }
  fragment agent on AgentSnapshot {
    agentId userId status acceptsRouting maxRooms openRoomCount lastAssignedAt departmentIds user { ...user }
  }
  fragment user on UserSnapshot {
    userId username name emails type active presence roles customFields { key value } createdAt updatedAt
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


def _of_thing(selection: str, thing: Thing, executor: type[Executor] | None) -> ExecutionResult:
    document = parse(f"{{ thing {{ {selection} }} }}")
    return execute_sync(THINGS._schema, document, thing, executor_class=executor)


@pytest.mark.parametrize("kind", [facts.AgentAssigned, facts.RoomUpdated, facts.UserCreated, facts.VisitorSaved])
async def test_event_is_serialized_as_by_graphql_core(kind: type[facts.Fact]) -> None:
    document = parse(f"subscription {{ events {{ {EVERYTHING} }} }} {FRAGMENTS}")

    answers = []
    for executor in (Executor, None):
        context = RequestContext(Context(services=None))  # type: ignore[arg-type]
        event = conversion.event_from_fact(_fact(kind))
        result: Any = execute(schema._schema, document, event, context, executor_class=executor)
        answers.append(result if isinstance(result, ExecutionResult) else await result)

    assert answers[0].errors is None
    assert answers[0] == answers[1]


def test_fields_are_in_the_order_of_the_document() -> None:
    document = parse(
        "subscription { events { ...on RoomEvent { room { visitor { name token } roomId department { name } status }}}}"
    )
    event = conversion.event_from_fact(_fact(facts.RoomQueued))

    result = execute_sync(schema._schema, document, event, CONTEXT, executor_class=Executor)

    assert result.data is not None
    room = result.data["events"]["room"]
    assert list(room) == ["visitor", "roomId", "department", "status"]
    assert list(room["visitor"]) == ["name", "token"]
    assert room["roomId"] == "room_room"


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
def test_value_of_a_wrong_type_is_reported_as_by_graphql_core(thing: Thing) -> None:
    ours, theirs = (_of_thing("tags name count", thing, executor) for executor in (Executor, None))

    assert ours == theirs


# ---------------------------------------------------------------- with a database


@pytest.fixture
async def world(services: Services) -> World:
    """Two rooms with messages, one of them served, in a department."""
    world = World(services)
    await world.visitor()
    department = await world.department("Sales", RoutingMethod.LEAST_LOADED)
    await world.agent("anna", departments=[department], max_rooms=1, roles=["bot"])
    for text in ("first", "second"):
        room = await world.start(department, subject=text)
        for number in range(2):
            await messages.send_message(world.context, room_id=room.id, text=f"{text} {number}")
    return world


ROOMS = "{ rooms { totalCount pageInfo { endCursor hasNextPage } edges { cursor node { %s } } nodes { %s } } }"
READ = [
    "{ roles { name builtIn } departments { name agents { totalCount nodes { id user { username } } } } }",
    ROOMS % ("id subject", "status department { name } visitor { token } servedBy { id user { roles { name } } }"),
    ROOMS % ("__typename", "a: messages(first: 1) { nodes { text } } b: messages { nodes { room { id } } }"),
    ROOMS % ("...of", "events { nodes { __typename ...event } }") + "fragment of on Room { subject ...of2 }"
    "fragment of2 on Room { servedBy { status } servedBy { openRoomCount user { id } } }"
    "fragment event on Event { sequence ... on RoomEvent { room { subject } } ... on AgentAssigned { cause } }",
    "query ($first: Int = 1) { agents { nodes { departments { name } rooms(first: $first) { nodes { subject } } } } }",
    ROOMS % ("id @skip(if: true) subject", "visitor @include(if: true) { id }"),
    'mutation { saveVisitor(input: { token: "v" }) { clientMutationId visitor { id token customFields { key } } } }',
    '{ user(by: { username: "anna" }) { agent { departments { id name } rooms { nodes { id } } } } viewer { name } }',
    "{ __schema { queryType { name } } rooms(first: 0) { nodes { id } } }",
]


@pytest.mark.parametrize("text", READ)
@pytest.mark.parametrize("scopes", [{"admin"}, {"rooms:read", "users:read", "visitors:read", "visitors:write"}])
async def test_operation_has_the_result_and_errors_of_graphql_core(world: World, scopes: set[str], text: str) -> None:
    document = parse(text)
    answers = []
    for executor in (Executor, None):
        caller = replace(world.context.caller, scopes=frozenset(scopes))
        context = RequestContext(replace(world.context, caller=caller))
        result: Any = execute(schema._schema, document, None, context, executor_class=executor)
        answers.append(result if isinstance(result, ExecutionResult) else await result)

    ours, theirs = answers
    assert ours.data == theirs.data
    assert _sorted_errors(ours) == _sorted_errors(theirs)


@pytest.mark.parametrize("value", [True, False, None])
@pytest.mark.parametrize("switch", ["skip", "include"])
async def test_skip_and_include_have_the_effect_of_graphql_core(world: World, switch: str, value: bool | None) -> None:
    document = parse(f"query ($a: Boolean = true) {{ roles {{ id @{switch}(if: $a) name }} }}")
    answers = []
    for executor in (Executor, None):
        result: Any = execute(
            schema._schema,
            document,
            context_value=RequestContext(world.context),
            variable_values={"a": value},
            executor_class=executor,
        )
        answers.append(result if isinstance(result, ExecutionResult) else await result)

    ours, theirs = answers
    assert (ours.data, _sorted_errors(ours)) == (theirs.data, _sorted_errors(theirs))


async def test_error_about_a_payload_field_says_that_the_change_was_made(world: World) -> None:
    text = """mutation { updateAgent(input: { agentId: "%s", maxRooms: 7 }) {
        agent { rooms(after: "bad") { nodes { id } } } } }"""
    user = await users.find_by_username(world.context.reader, "anna")
    assert user is not None

    result = await schema.execute(text % ids.AGENT.format(user.id), context_value=RequestContext(world.context))

    assert result.errors is not None
    (error,) = result.errors
    assert error.message.startswith("The change was made, but a field of the payload was refused: ")
    assert error.extensions == {"code": "INVALID_CURSOR", "key": "after"}


def _sorted_errors(result: ExecutionResult) -> list[tuple[str, Any]]:
    """The errors, sorted: GraphQL does not specify the order of errors of concurrent fields."""
    return sorted((error.message, error.path) for error in result.errors or ())


async def test_selections_beyond_the_limit_are_executed_by_graphql_core(world: World) -> None:
    context = RequestContext(world.context, Limits(compiled_selections=2))

    result = await schema.execute(READ[1], context_value=context)

    assert result.errors is None
    assert result.data is not None
    assert [one["servedBy"] is not None for one in result.data["rooms"]["nodes"]] == [True, False]
