"""The metrics that all processes of a deployment share, and the answer to a scrape."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from resolvers.context import Services
from schema.base import ids
from server.metrics.deployment import collect_deployment
from server.metrics.process import ProcessMetrics
from server.process import metrics_server
from server.process.metrics_answers import collect_one
from server.process.metrics_server import bind_metrics, serve_metrics
from server.settings import Settings
from storage import consumers, deployment_state
from storage.mongo.connection import Database
from storage.records import Actor, ActorType, RoutingMethod
from storage.supervisor import end, spawn
from tests.conftest import served
from tests.resolvers.world import World
from tests.server.metrics.support import value_of


@asynccontextmanager
async def scraping(services: Services, metrics: ProcessMetrics) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the address of /metrics."""
    settings = Settings(metrics_port=0)
    listener = bind_metrics(settings)
    assert listener is not None
    with listener:
        serving = spawn(
            serve_metrics(listener, settings, lambda: collect_one(metrics, services)), name="serve metrics in a test"
        )
        base = metrics_server.metrics_address(listener)
        try:
            async with httpx.AsyncClient(base_url=str(base).removesuffix("/metrics"), timeout=60) as client:
                yield client
        finally:
            await end([serving])


async def test_queues_are_counted_by_department(services: Services) -> None:
    world = World(services)
    department = await world.department("Support", RoutingMethod.MANUAL)
    for token in ("a", "b"):
        await world.visitor(token)
        await world.start(department, visitor_token=token)

    metrics = await collect_deployment(services)

    labels = {"department": ids.DEPARTMENT.format(department.id), "name": "Support"}
    waited = value_of(metrics, "switchboard_queue_oldest_seconds", **labels)
    assert value_of(metrics, "switchboard_queue_rooms", **labels) == 2
    assert waited is not None
    assert waited >= 0
    assert value_of(metrics, "switchboard_queued_departments") == 1


async def test_the_lag_of_a_consumer_is_the_number_of_events_after_its_position(services: Services) -> None:
    world = World(services)
    await world.visitor("a")
    head = await world.head()
    owner = Actor(type=ActorType.APP, id="owner", name="crm")
    await consumers.create(services.storage.reader, owner, "sync", start=head - 1)

    metrics = await collect_deployment(services)

    assert value_of(metrics, "switchboard_consumer_lag_events", consumer="sync", owner="crm") == 1
    assert value_of(metrics, "switchboard_consumer_connected", consumer="sync", owner="crm") == 0
    assert value_of(metrics, "switchboard_database_log_head") == head


async def test_departments_beyond_the_limit_have_no_labels(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment_state, "MAX_ROWS", 1)
    world = World(services)
    for name, tokens in (("Small", "a"), ("Large", "bc")):
        department = await world.department(name, RoutingMethod.MANUAL)
        for token in tokens:
            await world.visitor(token)
            await world.start(department, visitor_token=token)

    metrics = await collect_deployment(services)

    assert value_of(metrics, "switchboard_queue_rooms", name="Large") == 2
    assert value_of(metrics, "switchboard_queue_rooms", name="Small") is None
    assert value_of(metrics, "switchboard_queued_departments") == 2


async def test_without_mongodb_a_scrape_still_has_the_metrics_of_the_process(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment_state, "READ_SECONDS", 0.0)
    metrics = ProcessMetrics()
    async with served(services, metrics=metrics), scraping(services, metrics) as client:
        text = (await client.get("/metrics")).text

    families = list(text_string_to_metric_families(text))
    assert value_of(families, "switchboard_mongodb_up") == 0
    assert value_of(families, "switchboard_log_head", worker="0") == services.storage.feed.head


async def test_scrapes_at_the_same_time_read_the_database_once(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_server, "SHARED_SECONDS", 3600.0)
    read, reads = deployment_state.read, []

    async def counted(*arguments: object) -> object:
        reads.append(arguments)
        return await read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(deployment_state, "read", counted)
    metrics = ProcessMetrics()
    async with served(services, metrics=metrics), scraping(services, metrics) as client:
        answers = await asyncio.gather(*(client.get("/metrics") for _ in range(5)))
        other = await client.get("/")

    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].headers["content-type"].startswith("text/plain; version=")
    assert len(reads) == 1
    assert other.status_code == 404


async def test_connections_of_the_driver_are_counted(services: Services) -> None:
    database: Database = services.storage.database
    await database.ping()

    busy, idle = database.connections()

    assert busy + idle >= 1
