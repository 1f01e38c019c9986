"""Events of a webhook are sent in the order of the log, each until it is received."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from schema.execution.cost_limits import DEFAULT_LIMITS
from server.webhooks.delivery import WebhookRun
from server.webhooks.dispatcher import STOP_SECONDS
from server.webhooks.sender import SendLimits
from storage import webhooks
from tests.conftest import ADMIN_TOKEN
from tests.server.webhooks.receiver import CUT, HELD, SILENCE, Received, Receiver, Reply, receiving
from tests.server.webhooks.support import SUBSCRIPTION, VISITORS, Deployment, deployment
from tests.server.websocket_client import connected, receive, send


def names(requests: list[Received]) -> list[str]:
    return [request.event["visitor"]["name"] for request in requests]


def signature(secret: str, request: Received) -> str:
    """The signature of a request, computed as a receiver does."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{request.id}.{request.headers['webhook-timestamp']}.".encode() + request.body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


async def test_events_are_sent_in_the_order_of_the_log_one_after_the_other(
    server: Deployment, receiver: Receiver
) -> None:
    await server.create(receiver.url)

    await server.save(*"abcdefgh")

    requests = await receiver.wait_for(8)
    assert names(requests) == list("abcdefgh")
    assert [request.event["sequence"] for request in requests] == sorted(
        request.event["sequence"] for request in requests
    )
    assert receiver.most_at_once == 1
    assert {request.line for request in requests} == {"POST /events?source=switchboard HTTP/1.1"}


async def test_a_body_is_what_a_websocket_receives(server: Deployment, receiver: Receiver) -> None:
    url = server.client.urls[0]
    async with connected(url, {"authorization": f"Bearer {ADMIN_TOKEN}"}) as socket:
        await send(socket, id="1", type="subscribe", payload={"query": SUBSCRIPTION, "variables": VISITORS})
        await send(socket, id="2", type="subscribe", payload={"query": "{ __typename }"})
        assert (await receive(socket))["id"] == "2"
        assert (await receive(socket))["type"] == "complete"
        await server.create(receiver.url)

        await server.save("Ümit")

        (request,) = await receiver.wait_for(1)
        message = await receive(socket)
    assert json.loads(request.body) == message["payload"]
    assert list(message["payload"]) == ["data"]
    assert request.event == {
        "cursor": request.headers["switchboard-cursor"],
        "sequence": request.event["sequence"],
        "type": "VISITOR_SAVED",
        "visitor": {"name": "Ümit", "token": "token-Ümit"},
    }


async def test_a_request_is_signed_by_standard_webhooks(server: Deployment, receiver: Receiver) -> None:
    created = await server.create(receiver.url)

    await server.save("a")

    (request,) = await receiver.wait_for(1)
    webhook_id = created["webhook"]["id"]
    assert request.headers["webhook-signature"] == signature(created["secret"], request)
    assert request.id == f"{webhook_id}-{request.event['sequence']}"
    assert abs(int(request.headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 30
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["switchboard-webhook"] == webhook_id
    assert request.headers["switchboard-attempt"] == "1"
    assert request.headers["user-agent"].startswith("Switchboard/")


@pytest.mark.parametrize(
    ("reply", "status", "error"),
    [
        (500, 500, "the status is 500"),
        (404, 404, "the status is 404"),
        ((302, "location: http://127.0.0.1:1/\r\n"), 302, "the status is 302"),
        (CUT, None, "the connection ended without a response"),
    ],
)
async def test_an_event_is_sent_until_it_is_received_and_the_next_one_waits(
    server: Deployment, receiver: Receiver, reply: Reply, status: int | None, error: str
) -> None:
    receiver.reply = lambda request: reply if len(receiver.requests) in (1, 2) else 200
    created = await server.create(receiver.url)

    await server.save("a", "b", "c")

    requests = await receiver.wait_for(5)
    assert names(requests) == ["a", "b", "b", "b", "c"]
    assert [request.headers["switchboard-attempt"] for request in requests] == ["1", "1", "2", "3", "1"]
    assert requests[1].id == requests[2].id == requests[3].id
    ok = {"attempt": 1, "status": 200, "error": None, "delivered": True}
    assert await server.wait_for_deliveries(created["webhook"]["id"], 5) == [
        ok,
        {"attempt": 1, "status": status, "error": error, "delivered": False},
        {"attempt": 2, "status": status, "error": error, "delivered": False},
        {**ok, "attempt": 3},
        ok,
    ]


async def test_a_receiver_that_does_not_answer_in_time_gets_the_event_again(
    mongodb_uri: str, receiver: Receiver
) -> None:
    limits = SendLimits(total_seconds=0.2)
    async with deployment(mongodb_uri, "test-webhooks", limits=limits) as server:
        receiver.reply = lambda request: SILENCE if not receiver.requests else 200
        created = await server.create(receiver.url)

        await server.save("a", "b")

        assert names(await receiver.wait_for(3)) == ["a", "a", "b"]
        (first, *_) = await server.wait_for_deliveries(created["webhook"]["id"], 3)
    assert first == {"attempt": 1, "status": None, "error": "no response within 0.2 s", "delivered": False}


async def test_a_webhook_shows_its_failures_and_when_it_tries_again(server: Deployment, receiver: Receiver) -> None:
    receiver.reply = lambda _: (503, "retry-after: 3000\r\n")
    created = await server.create(receiver.url)
    webhook_id = created["webhook"]["id"]
    assert created["webhook"]["state"] == "ACTIVE"

    await server.save("a")

    failing = await server.wait_for_state(webhook_id, "FAILING")
    wait = datetime.fromisoformat(failing["nextAttemptAt"]) - datetime.now(UTC)
    assert 2900 < wait.total_seconds() <= 3001
    assert failing["failedAttempts"] == 1
    receiver.reply = lambda _: 200
    await server.update(webhook_id, name="crm")  # the waiting attempt is made at once
    assert names(await receiver.wait_for(2)) == ["a", "a"]
    active = await server.wait_for_state(webhook_id, "ACTIVE")
    assert (active["failedAttempts"], active["nextAttemptAt"]) == (0, None)


async def test_a_process_with_an_older_state_does_not_repeat_an_attempt_early(
    server: Deployment, receiver: Receiver
) -> None:
    receiver.reply = lambda _: (503, "retry-after: 3000\r\n")
    webhook_id = (await server.create(receiver.url))["webhook"]["id"]
    await server.save("a")
    await server.wait_for_state(webhook_id, "FAILING")
    (state,) = await webhooks.list_states(server.services.storage.reader)
    older = state._replace(next_attempt_at=None)

    await WebhookRun(server.services, server.sender, older, limits=DEFAULT_LIMITS).start()

    assert names(receiver.requests) == ["a"]


async def test_410_pauses_a_webhook_which_goes_on_where_it_was(server: Deployment, receiver: Receiver) -> None:
    receiver.reply = lambda _: 410
    webhook_id = (await server.create(receiver.url))["webhook"]["id"]
    await server.save("a", "b")

    paused = await server.wait_for_state(webhook_id, "PAUSED")

    assert paused["pauseReason"] == "GONE"
    assert paused["pauseMessage"] == "The receiver answered 410: it wants no more requests."
    receiver.reply = lambda _: 200
    active: dict[str, Any] = await server.update(webhook_id, active=True)
    assert (active["state"], active["pauseReason"], active["pauseMessage"]) == ("ACTIVE", None, None)
    assert names(await receiver.wait_for(3)) == ["a", "a", "b"]


async def test_requests_of_a_process_at_a_time_are_limited(mongodb_uri: str, receiver: Receiver) -> None:
    async with deployment(mongodb_uri, "test-webhooks", limits=SendLimits(concurrent=1)) as server:
        for name in "xyz":
            await server.create(receiver.url, name=name)

        await server.save(*"abcd")

        requests = await receiver.wait_for(12)
    assert receiver.most_at_once == 1
    for webhook in {request.headers["switchboard-webhook"] for request in requests}:
        of_one = [request for request in requests if request.headers["switchboard-webhook"] == webhook]
        assert names(of_one) == list("abcd")


async def test_slow_receivers_of_one_owner_do_not_delay_the_webhooks_of_others(
    mongodb_uri: str, receiver: Receiver
) -> None:
    limits = SendLimits(concurrent=2, concurrent_per_owner=1, total_seconds=600)
    async with deployment(mongodb_uri, "test-webhooks", limits=limits) as server, receiving() as silent:
        silent.reply = lambda _: SILENCE
        scopes = ["webhooks:write", "events:read", "visitors:read"]
        app = await server.client.mutate("createApp", "token", name="hooks", scopes=scopes)
        for name in "xyz":
            await server.create(silent.url, name=name)
        await server.create(receiver.url, bearer=app["token"])

        await server.save("a", "b")

        assert names(await receiver.wait_for(2)) == ["a", "b"]
        assert names(await silent.wait_for(1)) == ["a"]


async def test_webhooks_do_not_wait_for_each_other(server: Deployment, receiver: Receiver) -> None:
    async with receiving() as silent:
        silent.reply = lambda _: SILENCE
        await server.create(silent.url, name="silent")
        await server.create(receiver.url)

        await server.save("a", "b")

        assert names(await receiver.wait_for(2)) == ["a", "b"]
        assert names(await silent.wait_for(1)) == ["a"]


async def test_two_processes_deliver_each_event_once(mongodb_uri: str, receiver: Receiver) -> None:
    async with (
        deployment(mongodb_uri, "test-webhooks") as server,
        deployment(mongodb_uri, "test-webhooks", empty=False) as other,
    ):
        created = await server.create(receiver.url)
        await server.save("a")
        await other.save("b")
        await other.update(created["webhook"]["id"], name="renamed")  # the process that delivers begins again
        await server.save("c")

        requests = await receiver.wait_for(3)
        log = await other.wait_for_deliveries(created["webhook"]["id"], 3)
    assert names(requests) == ["a", "b", "c"]
    assert [entry["delivered"] for entry in log] == [True] * 3


async def test_a_server_that_stops_waits_for_the_answer_that_is_on_its_way(
    mongodb_uri: str, receiver: Receiver
) -> None:
    receiver.reply = lambda _: HELD
    async with deployment(mongodb_uri, "test-webhooks") as server:
        created = await server.create(receiver.url)
        await server.save("a", "b")
        await receiver.wait_for(1)
        asyncio.get_running_loop().call_later(0.2, receiver.released.set)  # while the server is stopping
    assert receiver.released.is_set()

    receiver.reply = lambda _: 200
    async with deployment(mongodb_uri, "test-webhooks", empty=False) as server:
        requests = await receiver.wait_for(2)
        log = await server.wait_for_deliveries(created["webhook"]["id"], 2)
    assert names(requests) == ["a", "b"]
    assert [(entry["attempt"], entry["status"]) for entry in log] == [(1, 200), (1, 200)]


async def test_a_server_that_stops_does_not_wait_for_a_silent_receiver(mongodb_uri: str, receiver: Receiver) -> None:
    receiver.reply = lambda _: SILENCE
    async with deployment(mongodb_uri, "test-webhooks") as server:
        await server.create(receiver.url)
        await server.save("a")
        await receiver.wait_for(1)
        stopped = asyncio.get_running_loop().time()
    seconds = asyncio.get_running_loop().time() - stopped

    receiver.reply = lambda _: 200
    async with deployment(mongodb_uri, "test-webhooks", empty=False):
        assert names(await receiver.wait_for(2)) == ["a", "a"]
    assert STOP_SECONDS <= seconds < SendLimits().total_seconds
