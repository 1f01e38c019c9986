import logging

import pytest
from pymongo.errors import AutoReconnect
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types import ExecutionResult

from resolvers import rooms
from resolvers.auth.access import Caller
from resolvers.context import Context, Services
from schema.base.errors import from_exception
from schema.execution.context import RequestContext
from schema.schema import schema
from storage import messages as stored_messages
from storage.errors import Forbidden
from storage.records import Actor, ActorType
from storage.timings import Timings
from tests.resolvers.world import World

APP = Caller(actor=Actor(type=ActorType.APP, id="app", name="app"), scopes=frozenset({"admin"}))
LOGIN = "mutation ($input: LoginInput!) { login(input: $input) { token } }"


async def _execute(query: str, caller: Caller = APP, **variables: object) -> ExecutionResult:
    """Without any services: what gets through to them fails inside."""
    context = RequestContext(Context(services=None, caller=caller))  # type: ignore[arg-type]
    result: ExecutionResult = await schema.execute(query, variable_values=variables, context_value=context)
    return result


def _extensions(result: ExecutionResult) -> list[dict[str, object]]:
    return [dict(error.formatted["extensions"]) for error in result.errors or []]


async def test_refusal_has_its_code_message_and_data() -> None:
    result = await _execute("{ roles { name } }", Caller(actor=APP.actor))

    assert result.errors is not None
    assert result.errors[0].message == "This needs the scope users:read, which this token does not have."
    assert _extensions(result) == [{"code": "FORBIDDEN", "scope": "users:read"}]


async def test_unexpected_error_reveals_an_id_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    result = await _execute("{ roles { name } }")

    (extensions,) = _extensions(result)
    assert result.errors is not None
    assert extensions.keys() == {"code", "errorId"}
    assert extensions["code"] == "INTERNAL"
    assert result.errors[0].message == f"Internal error. The log contains it as {extensions['errorId']}."
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert str(extensions["errorId"]) in record.getMessage()
    assert record.exc_info is not None


@pytest.mark.parametrize("query", ["{", "", "{ a { b }", 'query { viewer(: "x") }'])
async def test_text_that_cannot_be_parsed_is_refused_with_a_code(query: str) -> None:
    result = await _execute(query or "#")

    assert [extensions["code"] for extensions in _extensions(result)] == ["GRAPHQL_PARSE_FAILED"]


@pytest.mark.parametrize(
    "query",
    [
        "{ nope }",
        "{ user(by: {}) { id } }",
        '{ user(by: {id: "1", username: "a"}) { id } }',
        '{ rooms(where: {startedAfter: "yesterday"}) { nodes { id } } }',
        '{ rooms(where: {customFields: [{key: "a", eq: {b: 1}}]}) { nodes { id } } }',
        "query A { viewer { id } } query B { viewer { id } }",
    ],
)
async def test_document_that_does_not_fit_the_schema_is_refused_with_a_code(query: str) -> None:
    result = await _execute(query)

    assert result.data is None
    assert [extensions["code"] for extensions in _extensions(result)] == ["GRAPHQL_VALIDATION_FAILED"]


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"username": "ann", "password": ["secret"]}, "password"),
        ({"username": None, "password": "secret"}, "username"),
        ({"password": "secret"}, "input"),
        ({"username": "ann", "password": "secret", "more": 1}, "input"),
        ("secret", "input"),
        (None, "input"),
    ],
)
async def test_error_about_a_variable_names_the_invalid_field(given: object, key: str) -> None:
    result = await _execute(LOGIN, input=given)

    assert result.data is None
    assert _extensions(result) == [{"code": "INVALID_INPUT", "key": key}]


async def test_variable_of_a_one_of_input_has_exactly_one_field() -> None:
    query = "query ($by: UserBy!) { user(by: $by) { id } }"

    results = [await _execute(query, by=by) for by in ({}, {"id": None}, {"id": "1", "email": "a@b"})]

    assert [_extensions(result)[0] for result in results] == [
        {"code": "INVALID_INPUT", "key": "by"},
        {"code": "INVALID_INPUT", "key": "by.id"},
        {"code": "INVALID_INPUT", "key": "by"},
    ]


async def test_deep_nesting_is_refused() -> None:
    where: dict[str, object] = {}
    for _ in range(1_000):
        where = {"not": where}

    variable = await _execute("query ($w: RoomFilter) { rooms(where: $w) { nodes { id } } }", w=where)
    text = await _execute("{ a" * 5_000 + "}" * 5_000)

    assert [extensions["code"] for extensions in _extensions(variable)] == ["INVALID_INPUT"]
    assert [extensions["code"] for extensions in _extensions(text)] == ["QUERY_TOO_COMPLEX"]


async def test_log_of_a_refusal_does_not_contain_the_values_sent(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="schema"):
        await _execute(LOGIN, input={"username": "ann", "password": ["secret"]})

    assert "secret" not in caplog.text


def test_exception_outside_an_operation_has_a_code_and_data() -> None:
    error = from_exception(Forbidden("Not you.", scope="rooms:read"))

    assert error.formatted == {"message": "Not you.", "extensions": {"code": "FORBIDDEN", "scope": "rooms:read"}}


async def test_execute_refuses_a_subscription() -> None:
    with pytest.raises(InvalidOperationTypeError) as refusal:
        await _execute("subscription { roomStarted { id } }")

    assert from_exception(refusal.value).formatted == {
        "message": "This transport does not accept a subscription.",
        "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"},
    }


async def test_error_about_a_payload_field_says_that_the_change_was_made(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(services)
    await world.visitor()

    async def fail(*_: object, **__: object) -> None:
        raise AutoReconnect("connection closed")

    monkeypatch.setattr(stored_messages, "read_pages", fail)
    services.storage.database.timings = Timings(read_timeout=0.2)
    start = 'mutation { startRoom(input: { visitorToken: "v" }) { room { messages { nodes { id } } } } }'
    changed = await schema.execute(start, context_value=RequestContext(world.context))
    asked = await schema.execute(
        "{ rooms { nodes { messages { nodes { id } } } } }", context_value=RequestContext(world.context)
    )

    assert _extensions(changed) == [{"code": "UNAVAILABLE", "retryable": False}]
    assert _extensions(asked) == [{"code": "UNAVAILABLE", "retryable": True}]
    assert len((await rooms.list_rooms(world.context)).items) == 1


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("mutation ($input: LoginInput!) { login(input: $input) { token } }", {"input": None}),
        (LOGIN, {"input": {"username": None, "password": "x"}}),
        ('mutation { login(input: { username: null, password: "x" }) { token } }', {}),
    ],
)
async def test_error_about_null_says_null_instead_of_none(query: str, variables: dict[str, object]) -> None:
    result = await _execute(query, APP, **variables)

    assert result.errors is not None
    (error,) = result.errors
    assert "null" in error.message
    assert "None" not in error.message
