"""The document of a webhook is a subscription to `events` that its owner may have."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from resolvers.webhooks import StoredSubscription
from schema import webhook_documents
from tests.server.webhooks.support import SUBSCRIPTION, VISITORS, Deployment, deployment

OTHER = "subscription ($types: [EventType!]) { events(types: $types) { type } }"
NOTHING_ELSE = "query must be a subscription to `events`, and to nothing else."


@pytest.fixture
async def server(mongodb_uri: str) -> AsyncIterator[Deployment]:
    async with deployment(mongodb_uri, "test-webhook-documents") as server:
        yield server


async def create(server: Deployment, *, token: str | None = None, **fields: Any) -> Any:
    """The answer of createWebhook. The webhook is paused."""
    given = {"name": "crm", "url": "https://example.org/", "query": SUBSCRIPTION, "active": False, **fields}
    query = "mutation ($input: CreateWebhookInput!) { createWebhook(input: $input) { webhook { id } } }"
    headers = {"authorization": f"Bearer {token or 'the-admin-token-of-the-tests'}"}
    async with httpx.AsyncClient(timeout=60) as client:
        body = {"query": query, "variables": {"input": given}}
        return (await client.post(server.client.urls[0], json=body, headers=headers)).json()


async def error_of(server: Deployment, **fields: Any) -> tuple[str, dict[str, Any]]:
    """The message and the extensions of the refusal. Nothing was stored."""
    answer = await create(server, **fields)
    (error,) = answer["errors"]
    assert answer["data"] == {"createWebhook": None}
    assert await server.services.storage.database["webhooks"].find_one({}) is None
    return error["message"], error["extensions"]


@pytest.mark.parametrize(
    "query",
    [
        "{ viewer { name } }",
        "mutation { logout(input: {}) { loggedOut } }",
        "subscription { roomStarted { cursor } }",
        "subscription { roomList(first: 1) { __typename } }",
        "subscription { ...all } fragment all on Subscription { events { cursor } }",
    ],
)
async def test_only_a_subscription_to_events_is_accepted(server: Deployment, query: str) -> None:
    assert await error_of(server, query=query) == (NOTHING_ELSE, {"code": "INVALID_INPUT", "key": "query"})


@pytest.mark.parametrize("argument", ["after: null", 'consumer: "c"', "maxInFlight: 2"])
async def test_arguments_that_a_webhook_sets_are_refused(server: Deployment, argument: str) -> None:
    message, extensions = await error_of(server, query=f"subscription {{ events({argument}) {{ cursor }} }}")

    name = argument.partition(":")[0]
    assert message == f"query must not have the argument {name}: a webhook sets it."
    assert extensions == {"code": "INVALID_INPUT", "key": "query"}


@pytest.mark.parametrize(
    ("fields", "message", "key"),
    [
        ({"query": ""}, "query must have 1 to 20000 characters; this one is empty.", "query"),
        ({"query": "subscription {"}, "query is not GraphQL: Syntax Error: Expected Name, found <EOF>.", "query"),
        (
            {"query": "subscription { events { nothing } }"},
            "query does not fit the schema: Cannot query field 'nothing' on type 'Event'.",
            "query",
        ),
        (
            {"query": "subscription A { events { cursor } } subscription B { events { type } }"},
            "operationName must name an operation of the document, if it has several.",
            "operationName",
        ),
        ({"variables": [1]}, "variables must be an object.", "variables"),
        (
            {"variables": {"types": ["NOTHING"]}},
            "Variable '$types' has invalid value at [0]: Value 'NOTHING' does not exist in 'EventType' enum.",
            "variables",
        ),
    ],
)
async def test_invalid_documents_and_variables_are_refused(
    server: Deployment, fields: dict[str, Any], message: str, key: str
) -> None:
    assert await error_of(server, **fields) == (message, {"code": "INVALID_INPUT", "key": key})


async def test_a_filter_is_checked_as_the_subscription_would(server: Deployment) -> None:
    query = 'subscription { events(where: {customFields: [{key: "nothing", eq: "x"}]}) { cursor } }'

    _, extensions = await error_of(server, query=query)

    assert extensions == {"code": "UNKNOWN_FIELD", "key": "nothing"}


async def test_the_owner_needs_the_scopes_of_the_selected_fields(server: Deployment) -> None:
    made = await server.client.mutate(
        "createApp", "token", name="hooks", scopes=["webhooks:write", "events:read", "rooms:read"]
    )
    query = "subscription { events { cursor ... on RoomStarted { room { current { messages { totalCount } } } } } }"

    message, extensions = await error_of(server, token=made["token"], query=query)

    assert message == "This needs the scope messages:read, which this token does not have."
    assert extensions == {"code": "FORBIDDEN", "scope": "messages:read"}


async def test_a_caller_without_events_cannot_create_a_webhook(server: Deployment) -> None:
    made = await server.client.mutate("createApp", "token", name="hooks", scopes=["webhooks:write"])

    _, extensions = await error_of(server, token=made["token"])

    assert extensions == {"code": "FORBIDDEN", "scope": "events:read"}


async def test_one_of_several_operations_is_chosen(server: Deployment) -> None:
    query = "subscription A { events { cursor } } subscription B { events { type } }"

    answer = await create(server, query=query, operationName="B")

    found = await server.client.send("{ webhooks { query operationName variables state } }")
    assert "errors" not in answer
    assert found["webhooks"] == [{"query": query, "operationName": "B", "variables": {}, "state": "PAUSED"}]


async def test_a_subscription_cannot_take_the_consumer_of_a_webhook(server: Deployment) -> None:
    headers = {
        "authorization": "Bearer the-admin-token-of-the-tests",
        "accept": "text/event-stream",
    }
    query = 'subscription { events(consumer: "webhook:x") { cursor } }'
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(server.client.urls[0], json={"query": query}, headers=headers)

    assert "The names of consumers of webhooks begin with webhook:; use another name." in answer.text
    assert (await server.client.send("{ consumers { name } }"))["consumers"] == []


# ---------------------------------------------------------------- changes


@pytest.mark.parametrize(
    ("change", "query", "variables"),
    [
        ({"active": True}, OTHER, {"types": ["ROOM_CLOSED"]}),
        ({"variables": VISITORS}, OTHER, VISITORS),
        ({"query": SUBSCRIPTION}, SUBSCRIPTION, {"types": ["ROOM_CLOSED"]}),
    ],
)
async def test_a_change_of_the_subscription_during_the_check_of_another_one_stays(
    server: Deployment, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], query: str, variables: dict[str, Any]
) -> None:
    made = await server.create("https://example.org/", active=False)
    webhook_id = made["webhook"]["id"]
    check, concurrent = webhook_documents.check, [{"query": OTHER, "variables": {"types": ["ROOM_CLOSED"]}}]

    async def check_during_a_change(*args: Any, **kwargs: Any) -> StoredSubscription:
        checked = await check(*args, **kwargs)
        if concurrent:
            await server.update(webhook_id, **concurrent.pop())
        return checked

    monkeypatch.setattr(webhook_documents, "check", check_during_a_change)

    await server.update(webhook_id, **change, clientMutationId="m")

    stored = await server.read(webhook_id, "state query variables")
    state = "ACTIVE" if change.get("active") else "PAUSED"
    assert stored == {"state": state, "query": query, "variables": variables}
