"""Media types and status codes, by the GraphQL over HTTP specification."""

import httpx
import pytest

from server.graphql.responses import EVENT_STREAM, JSON, RESPONSE_JSON, media_type

TYPENAME = {"query": "{ __typename }"}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("text/html", JSON),
        ("application/json", JSON),
        ("application/graphql-response+json", RESPONSE_JSON),
        ("application/graphql-response+json; charset=utf-8, application/json;q=0.9", RESPONSE_JSON),
        ("application/graphql-response+json;q=0.5, application/json", JSON),
        ("application/graphql-response+json, application/json", RESPONSE_JSON),
        ("application/graphql-response+json;q=0, */*", JSON),
        ("application/graphql-response+json;q=nonsense", JSON),
        ("text/event-stream", EVENT_STREAM),
        ("text/event-stream, application/json;q=0.9", EVENT_STREAM),
        ("text/event-stream, application/json", JSON),
        ("application/graphql-response+json, application/json, text/event-stream, multipart/mixed", RESPONSE_JSON),
    ],
)
def test_media_type_is_the_one_preferred(accept: str, kind: str) -> None:
    assert media_type(accept) == kind


@pytest.mark.parametrize(
    ("request_body", "newer", "older"),
    [
        (TYPENAME, 200, 200),
        ({"query": "{ viewer { id } }"}, 200, 200),  # executed, and refused by the field
        ({"query": "{"}, 400, 200),
        ({"query": "{ nothing }"}, 400, 200),
        ({"query": "query($id: ID!) { agent(id: $id) { id } }"}, 400, 200),
        ({"query": "query A { __typename }", "operationName": "B"}, 400, 400),
        ({"query": 1}, 400, 400),
        ({"query": "subscription { events { id } }"}, 406, 406),
        ({"query": "{ " + "viewer { id } " * 60 + "}"}, 400, 200),
        ({"query": "{ __typename }", "variables": {"a": "x" * 70_000}}, 400, 200),
        ({"query": "{ __typename }", "variables": {"a": [{}] * 2_500}}, 400, 200),
        ({"query": "{ __typename }", "variables": {"a": "x" * 300_000}}, 413, 413),
    ],
)
async def test_status_code_matches_the_result(shared_url: str, request_body: object, newer: int, older: int) -> None:
    async with httpx.AsyncClient() as client:
        by_newer = await client.post(shared_url, json=request_body, headers={"accept": RESPONSE_JSON})
        by_older = await client.post(shared_url, json=request_body, headers={"accept": JSON})

    assert by_newer.headers["content-type"] == f"{RESPONSE_JSON}; charset=utf-8"
    assert by_older.headers["content-type"] == JSON
    assert (by_newer.status_code, by_older.status_code) == (newer, older)
    assert by_newer.json() == by_older.json()
    assert ("data" in by_newer.json()) == (newer == 200)
