"""docs/reference/metrics.md and the dashboard for Grafana name exactly the metrics that a scrape has."""

import json
import re
from pathlib import Path

from resolvers.auth.access import Caller
from resolvers.context import Services
from server.metrics.process import ProcessMetrics
from server.process.metrics_answers import collect_one
from storage import consumers
from storage.records import Actor, ActorType, RoutingMethod
from tests.conftest import served
from tests.resolvers.world import World

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "switchboard.json").read_text(encoding="utf-8"))
METRIC = re.compile(r"\b(?:switchboard|process)_[a-z_]+\b")


async def collected_names(services: Services) -> set[str]:
    """The names of all samples of a server that has had an operation, a waiting room and a consumer."""
    world, metrics = World(services), ProcessMetrics()
    await world.visitor("v")
    await world.start(await world.department("Support", RoutingMethod.MANUAL), visitor_token="v")
    owner = Actor(type=ActorType.APP, id="owner", name="crm")
    await consumers.create(services.storage.reader, owner, "sync", start=0)
    metrics.operations.ended("query", "Me", "OK", seconds=0.1, caller=Caller(owner))
    async with served(services, metrics=metrics):
        families = await collect_one(metrics, services)
    return {sample.name for family in families for sample in family.samples}


async def test_page_and_dashboard_name_the_metrics_that_exist(services: Services) -> None:
    names = await collected_names(services)
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    shown = {name for expression in expressions for name in METRIC.findall(expression)}
    described = set(METRIC.findall(PAGE))
    own = {name for name in names if name.startswith("switchboard_") and not name.endswith("_created")}
    families = {re.sub("(_bucket|_count|_sum)$", "", name) for name in own}

    assert shown - names == set()
    assert families - {re.sub("(_bucket|_count|_sum)$", "", name) for name in shown} == set()
    assert described - names - families == set()
    assert families - described == set()


def test_every_panel_of_the_dashboard_has_a_place_of_its_own() -> None:
    places = [tuple(panel["gridPos"][key] for key in ("x", "y")) for panel in DASHBOARD["panels"]]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]

    assert len(set(places)) == len(places)
    assert len(set(ids)) == len(ids)
