"""Operations are counted by type, name and code, with a bounded number of labels."""

import asyncio

import httpx
import pytest
from prometheus_client import CollectorRegistry

from resolvers.auth.access import ANONYMOUS, Caller
from resolvers.context import Context, Services
from schema.execution.context import RequestContext
from server.metrics.operations import CANCELLED, OTHER, UNNAMED, OperationMetrics
from server.metrics.process import ProcessMetrics
from storage.records import SYSTEM, Actor, ActorType
from tests.conftest import ADMIN_TOKEN, served
from tests.server.metrics.support import value_of
from tests.server.websocket_client import connected, send

APP = Caller(Actor(type=ActorType.APP, id="1", name="app"))
HEADERS = {"authorization": f"Bearer {ADMIN_TOKEN}"}


def test_names_beyond_the_limit_share_one_label() -> None:
    metrics = OperationMetrics(CollectorRegistry(), max_names=2)

    labels = [metrics.label(name, APP) for name in ("A", "B", "C", "A", "")]

    assert labels == ["A", "B", OTHER, "A", UNNAMED]


@pytest.mark.parametrize("name", ["a" * 65, "with space", "ü", "new\nline"])
def test_a_name_that_is_long_or_no_name_of_graphql_is_no_label(name: str) -> None:
    assert OperationMetrics(CollectorRegistry()).label(name, APP) == OTHER


@pytest.mark.parametrize("caller", [ANONYMOUS, Caller(SYSTEM, visitor=object())])  # type: ignore[arg-type]
def test_anonymous_callers_and_visitors_add_no_names(caller: Caller) -> None:
    metrics = OperationMetrics(CollectorRegistry())

    first = metrics.label("Chosen", caller)
    metrics.label("Chosen", APP)

    assert (first, metrics.label("Chosen", caller)) == (OTHER, "Chosen")


async def test_requests_are_counted_by_name_and_code(services: Services) -> None:
    metrics = ProcessMetrics()
    async with served(services, metrics=metrics) as url, httpx.AsyncClient(headers=HEADERS) as client:
        await client.post(url, json={"query": "query Me { viewer { name } }"})
        await client.post(url, json={"query": "query Me { viewer { name } }"})
        await client.post(url, json={"query": "{ viewer { name } }"}, headers={"authorization": "Bearer wrong"})
        await client.post(url, json={"query": 'query One { node(id: "nonsense") { id } }'})
        await client.post(url, json={"query": "query Bad { nothing }"})
        await client.post(url, json={"query": "query {"})
        await client.post(url, content="no JSON", headers={"content-type": "application/json"})

    collected = metrics.collect()

    def count(type: str, operation: str, code: str) -> float | None:
        return value_of(collected, "switchboard_operations_total", type=type, operation=operation, code=code)

    assert count("query", "Me", "OK") == 2
    assert count("query", UNNAMED, "UNAUTHENTICATED") == 1
    assert count("query", "One", "INVALID_INPUT") == 1
    assert count("query", "Bad", "GRAPHQL_VALIDATION_FAILED") == 1
    assert count("none", UNNAMED, "GRAPHQL_PARSE_FAILED") == 1
    assert count("none", UNNAMED, "INVALID_INPUT") == 1
    assert value_of(collected, "switchboard_operation_seconds_count", type="query", operation="Me") == 2


async def test_a_subscription_is_counted_when_it_ends(services: Services) -> None:
    metrics = ProcessMetrics()
    text = "subscription Follow { events { sequence } }"
    async with served(services, metrics=metrics) as url:
        async with connected(url, HEADERS) as socket:
            await send(socket, id="1", type="subscribe", payload={"query": text})
            async with asyncio.timeout(30):
                while value_of(metrics.collect(), "switchboard_subscriptions") != 1:  # noqa: ASYNC110 - a metric has no event
                    await asyncio.sleep(0.01)
            before = value_of(metrics.collect(), "switchboard_operations_total", operation="Follow")
        async with asyncio.timeout(30):
            while not value_of(metrics.collect(), "switchboard_operations_total", operation="Follow"):  # noqa: ASYNC110 - a metric has no event
                await asyncio.sleep(0.01)

    collected = metrics.collect()
    ended = value_of(collected, "switchboard_operations_total", type="subscription", operation="Follow", code="OK")
    assert (before, ended, value_of(collected, "switchboard_subscriptions")) == (None, 1, 0)


async def test_an_event_stream_is_counted_when_it_ends(services: Services) -> None:
    metrics = ProcessMetrics()
    body = {"query": 'subscription Past { events(after: "nonsense") { sequence } }'}
    async with served(services, metrics=metrics) as url, httpx.AsyncClient(headers=HEADERS) as client:
        await client.post(url, json=body, headers={"accept": "text/event-stream"})

    collected = metrics.collect()
    ended = value_of(collected, "switchboard_operations_total", type="subscription", operation="Past")
    assert ended == 1


def test_an_operation_that_the_client_cancels_has_a_code_of_its_own(services: Services) -> None:
    registry = CollectorRegistry()
    metrics = OperationMetrics(registry)
    observation = metrics.start(RequestContext(Context(services, APP)), None)

    observation.finish(asyncio.CancelledError())
    observation.finish()

    assert value_of(list(registry.collect()), "switchboard_operations_total", code=CANCELLED) == 1
    assert value_of(list(registry.collect()), "switchboard_operations_total", code="OK") is None
