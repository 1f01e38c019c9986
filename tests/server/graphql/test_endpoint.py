import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from resolvers import departments
from resolvers.context import Context, Services
from storage import supervisor
from storage.mongo.connection import Database
from storage.records import Department, RoutingMethod
from tests.conftest import ADMIN_TOKEN
from tests.resolvers.world import World

TYPENAME = "{ __typename }"


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The only error of an answer without data."""
    body = response.json()
    assert list(body) == ["errors"]
    (error,) = body["errors"]
    assert isinstance(error, dict)
    return error


async def test_post_and_get_answer_a_query(shared_url: str) -> None:
    async with httpx.AsyncClient() as client:
        posted = await client.post(shared_url, json={"query": TYPENAME, "variables": None, "operationName": None})
        got = await client.get(shared_url, params={"query": TYPENAME, "variables": "{}"})

    assert posted.json() == got.json() == {"data": {"__typename": "Query"}}
    assert posted.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "The body is not JSON: Input data was truncated."),
        ('{"query": ', "The body is not JSON: Input data was truncated."),
        ("{'query': 1}", "The body is not JSON: JSON is malformed: object keys must be strings (byte 1)."),
        ('{"query": "{ __typename }"} {}', "The body is not JSON: JSON is malformed: trailing characters (byte 29)."),
        (
            '{"query": "\\ud800"}',
            "The body is not JSON: ",
        ),
        ("null", "The body is no GraphQL request: Expected `object`, got `null`."),
        ('"query"', "The body is no GraphQL request: Expected `object`, got `str`."),
        ("[]", "The body is no GraphQL request: Expected `object`, got `array`."),
        ("{}", "The body is no GraphQL request: Object missing required field `query`."),
        ('{"query": 1}', "The body is no GraphQL request: Expected `str`, got `int` - at `$.query`."),
        (
            '{"query": "{ __typename }", "variables": []}',
            "The body is no GraphQL request: Expected `object | null`, got `array` - at `$.variables`.",
        ),
        (
            '{"query": "{ __typename }", "operationName": 1}',
            "The body is no GraphQL request: Expected `str | null`, got `int` - at `$.operationName`.",
        ),
        ('{"query": "", "variables": {"a": ' + "[" * 100_000, "The body is not JSON: "),
    ],
)
async def test_body_that_is_not_a_request_is_invalid_input(shared_url: str, body: str, message: str) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.post(shared_url, content=body, headers={"content-type": "application/json"})

    error = error_of(response)
    assert response.status_code == 400
    assert error["extensions"] == {"code": "INVALID_INPUT", "key": "request"}
    assert error["message"].startswith(message)


async def test_body_of_another_content_type_is_refused(shared_url: str) -> None:
    async with httpx.AsyncClient() as client:
        form = await client.post(shared_url, data={"query": TYPENAME})
        upload = await client.post(shared_url, files={"operations": b"{}"})

    assert (form.status_code, upload.status_code) == (415, 415)
    assert error_of(form)["message"] == "The content type must be application/json."


async def test_variables_of_a_get_that_are_not_json_are_refused(shared_url: str) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.get(shared_url, params={"query": TYPENAME, "variables": "{"})

    assert response.status_code == 400
    assert error_of(response)["message"] == "The parameter variables is not JSON: Input data was truncated."


async def test_unknown_operation_name_is_refused(shared_url: str) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.post(shared_url, json={"query": "query A { __typename }", "operationName": "B"})

    assert response.status_code == 400
    assert error_of(response)["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}


async def test_mutation_by_get_is_refused(shared_url: str) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.get(shared_url, params={"query": "mutation { __typename }"})

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert error_of(response)["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}


async def test_other_methods_are_refused(shared_url: str) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.put(shared_url, json={"query": TYPENAME})

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"


async def test_get_without_a_query_returns_graphiql_to_browsers_and_an_error_to_others(shared_url: str) -> None:
    async with httpx.AsyncClient() as client:
        page = await client.get(shared_url, headers={"accept": "text/html,application/xhtml+xml"})
        other = await client.get(shared_url)

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>GraphiQL</title>" in page.text
    assert other.status_code == 400
    assert error_of(other)["message"] == (
        "The parameters are no GraphQL request: Object missing required field `query`."
    )


async def test_root_path_redirects_to_graphiql(shared_url: str) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.get(shared_url.removesuffix("graphql"))

    assert response.headers["location"] == "/graphql"


@pytest.mark.parametrize("authorization", ["Bearer never-given-out", "Basic bWU6c2VjcmV0"])
async def test_invalid_token_is_unauthenticated(shared_url: str, authorization: str) -> None:
    async with httpx.AsyncClient(headers={"authorization": authorization}) as client:
        response = await client.post(shared_url, json={"query": "{ viewer { name } }"})

    assert [error["extensions"]["code"] for error in response.json()["errors"]] == ["UNAUTHENTICATED"]


async def test_health_reports_liveness_and_readiness(shared_url: str) -> None:
    base = shared_url.removesuffix("graphql")
    async with httpx.AsyncClient() as client:
        live = await client.get(base + "health/live")
        ready = await client.get(base + "health/ready")

    assert (live.status_code, live.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ok"})


async def test_background_task_that_fails_shows_in_health(
    url: str, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        raise ValueError("a secret")

    base = url.removesuffix("graphql")
    services.storage.supervisor.supervise("broken", fail, every=60, essential=True)
    await asyncio.sleep(0)
    async with httpx.AsyncClient() as client:
        degraded = await client.get(base + "health/ready")
        monkeypatch.setattr(supervisor, "NOT_READY_SECONDS", 0.0)
        unavailable = await client.get(base + "health/ready")

    (problem,) = degraded.json()["problems"]
    assert (degraded.status_code, degraded.json()["status"]) == (200, "degraded")
    assert (problem["task"], problem["error"], problem["failures"]) == ("broken", "ValueError", 1)
    assert (unavailable.status_code, unavailable.json()["status"]) == (503, "unavailable")
    assert unavailable.json()["reason"] == "background task fails: broken"
    assert "secret" not in degraded.text


async def test_server_without_mongodb_is_live_but_not_ready(shared_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def frozen(_: Database) -> None:
        raise TimeoutError

    monkeypatch.setattr(Database, "ping", frozen)
    base = shared_url.removesuffix("graphql")

    async with httpx.AsyncClient() as client:
        live = await client.get(base + "health/live")
        ready = await client.get(base + "health/ready")

    assert live.status_code == 200
    assert (ready.status_code, ready.json()) == (
        503,
        {"status": "unavailable", "reason": "MongoDB does not answer"},
    )


async def test_client_that_disconnects_mid_request_is_not_logged_as_an_error(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = url.split("/")[2].split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /graphql HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"
    writer.write(head.encode() + b'{"query')
    await writer.drain()
    async with httpx.AsyncClient() as client:
        await client.post(url, json={"query": TYPENAME})  # the server waits for the rest of the first request now

        writer.close()
        await writer.wait_closed()

        assert (await client.post(url, json={"query": TYPENAME})).json() == {"data": {"__typename": "Query"}}
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_refused_operation_does_not_cancel_shared_work(
    services: Services, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(services)
    await world.visitor()
    department = await world.department("Sales", RoutingMethod.LEAST_LOADED)
    await world.agent("anna", departments=[department], roles=["bot"])
    await world.start(department)
    read = departments.get_many

    async def slow(context: Context, ids: Sequence[str]) -> dict[str, Department]:
        for _ in range(5):
            await services.storage.database.client.admin.command("ping")
        return await read(context, ids)

    monkeypatch.setattr(departments, "get_many", slow)
    shared = "lastServedBy { departments { id } }"
    refused = f"messages(first: 0) {{ nodes {{ id }} }} {shared}"

    text = f"{{ rooms {{ edges {{ node {{ {shared} }} }} nodes {{ {refused} }} }} }}"
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {ADMIN_TOKEN}"}) as client:
        answer = await client.post(url, json={"query": text})

    assert answer.status_code == 200
    assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["INVALID_INPUT"]


# ---------------------------------------------------------------- persisted queries

HASH = {"persistedQuery": {"version": 1, "sha256Hash": "ab" * 32}}


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json", "*/*"])
async def test_persisted_query_hash_is_refused_as_not_supported(shared_url: str, accept: str) -> None:
    async with httpx.AsyncClient(headers={"accept": accept}) as client:
        posted = await client.post(shared_url, json={"operationName": None, "variables": {}, "extensions": HASH})
        got = await client.get(shared_url, params={"extensions": json.dumps(HASH)})
        sent = await client.post(shared_url, json={"query": TYPENAME, "extensions": HASH})

    for refused in (posted, got):
        assert refused.status_code == 200
        assert error_of(refused) == {
            "message": "PersistedQueryNotSupported",
            "extensions": {"code": "PERSISTED_QUERY_NOT_SUPPORTED"},
        }
    assert sent.json() == {"data": {"__typename": "Query"}}


# ---------------------------------------------------------------- variables


@pytest.mark.parametrize("character", ["x", "\U0001f600", "\n", "\x01"])
async def test_variables_are_counted_in_characters(shared_url: str, character: str) -> None:
    query = "query ($text: String!) { __typename a: __type(name: $text) { name } }"
    async with httpx.AsyncClient() as client:
        within = await client.post(shared_url, json={"query": query, "variables": {"text": character * 20_000}})
        beyond = await client.post(shared_url, json={"query": query, "variables": {"text": "x" * 65_536}})

    assert within.json() == {"data": {"__typename": "Query", "a": None}}
    assert error_of(beyond) == {
        "message": "The texts in the variables have 65540 characters; at most 65536 are allowed.",
        "extensions": {"code": "QUERY_TOO_COMPLEX"},
    }
