"""A query or mutation by POST has the same response whether Strawberry's view executes it or not.

The view executes the requests of clients that accept event streams too.
"""

from typing import Any

import httpx
import pytest

from tests.conftest import ADMIN_TOKEN

DIRECT = "application/json"
VIEWED = "application/json, text/event-stream;q=0.1"
RESPONSE = "application/graphql-response+json"


@pytest.mark.parametrize(
    "body",
    [
        {"query": "{ __typename }"},
        {
            "query": "query q($n: Int!) { users(first: $n) { nodes { username roles { name } } } }",
            "variables": {"n": 2},
        },
        {"query": '{ a: user(by: {id: "x"}) { id } b: departments { name } }'},
        {"query": "query a { __typename } query b { viewer { __typename } }", "operationName": "b"},
        {"query": "query a { __typename } query b { __typename }"},
        {"query": "{ nothing }"},
        {"query": "{"},
        {"query": ""},
        {"query": "subscription { events { id } }"},
        {"query": "query($n: Int!) { users(first: $n) { nodes { id } } }", "variables": {"n": "many"}},
        {"query": "{ users(first: 1000) { nodes { id } } }"},
        {"query": 'mutation { updateUser(input: {userId: "usr_none"}) { user { id } } }'},
        {"query": "mutation { updateUser(input: {}) { user { id } } }"},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}},
        {"variables": {}},
        [],
    ],
)
@pytest.mark.parametrize("media_types", [(DIRECT, VIEWED), (RESPONSE, f"{RESPONSE}, {VIEWED}")])
async def test_both_ways_give_the_same_response(shared_url: str, body: Any, media_types: tuple[str, str]) -> None:
    if "subscription" in str(body):  # a client that accepts event streams gets one
        media_types = (media_types[0], media_types[0])
    responses = []
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {ADMIN_TOKEN}"}) as client:
        for accept in media_types:
            response = await client.post(shared_url, json=body, headers={"accept": accept})
            headers = {name: value for name, value in response.headers.items() if name != "date"}
            responses.append((response.status_code, headers, response.content))
    assert responses[0] == responses[1]


@pytest.mark.parametrize("accept", [DIRECT, VIEWED])
@pytest.mark.parametrize("token", [None, "wrong", ADMIN_TOKEN])
async def test_both_ways_check_the_token(shared_url: str, accept: str, token: str | None) -> None:
    headers = {"accept": accept} if token is None else {"accept": accept, "authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(headers=headers) as client:
        body = (await client.post(shared_url, json={"query": "{ departments { id } }"})).json()
    codes = [error["extensions"]["code"] for error in body.get("errors", ())]
    assert codes == ([] if token == ADMIN_TOKEN else ["UNAUTHENTICATED"])
    assert (body["data"]["departments"] is None) == (token != ADMIN_TOKEN)
