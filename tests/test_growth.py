"""The benchmark of growth, at small sizes: what it fills a database with, what it measures, and what it draws."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks import page
from benchmarks.growth import measures, plots, processes, results, seed
from benchmarks.growth.results import Curve, ProcessResult, Result
from benchmarks.growth.sizes import FACTORS, FULL, Plan, Sizes
from benchmarks.sockets import TOKEN
from storage.embedded.replica_set import EmbeddedReplicaSet
from storage.log.log import Log
from storage.mongo.connection import Database
from tests.processes import ServerProcess

PLAN = Plan(rooms=(9,), agents=(2,), users=(30,), facts=(1_100,), seconds=0.01, rounds=1, subscribers=2)


@contextmanager
def forked_server(uri: str, database: str, **settings: str) -> Iterator[tuple[str, int]]:
    """A server as benchmarks.sockets starts it, without the time of its imports."""
    with ServerProcess(uri, database, **{"ADMIN_TOKEN": TOKEN, "LOG_LEVEL": "error", **settings}) as running:
        yield running.url.replace("http:", "ws:"), running.pid


@pytest.fixture(scope="module", autouse=True)
def forked() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (seed, measures, processes):
            patch.setattr(module, "server", forked_server)
        yield


@pytest.fixture(scope="module")
def seeded(mongodb_uri: str, forked: None) -> Sizes:
    seed.seed(mongodb_uri, PLAN.base)
    return PLAN.base


async def test_database_has_the_sizes_and_a_log_without_gaps(mongodb_uri: str, seeded: Sizes) -> None:
    async with Database(mongodb_uri, seeded.database) as database:
        counts = [await database[name].count_documents({}) for name in ("rooms", "visitors")]
        agents = await database["users"].count_documents({"agent": {"$ne": None}})
        facts = await Log(database).read(0, 2_000)

    assert counts == [9 + 1, 9 + 1]  # one conversation was recorded
    assert agents == 2
    assert len(facts) >= 1_100
    assert [fact.sequence for fact in facts] == list(range(1, len(facts) + 1))
    copied = facts[-14:]
    assert [fact.subject_number for fact in copied] == list(range(1, 15))
    assert {fact.subject_id for fact in copied} == {copied[0].room.room.id}  # type: ignore[union-attr]
    assert len({fact.id for fact in facts}) == len(facts)


def test_database_that_was_filled_is_used_again(
    mongodb_uri: str, seeded: Sizes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed, "configure", None)

    seed.seed(mongodb_uri, seeded)


def test_every_measure_of_a_plot_is_measured_and_the_doctor_finds_no_problem(mongodb_uri: str, seeded: Sizes) -> None:
    measured = {name: value for name, _, value in measures.measure(mongodb_uri, seeded, PLAN.seconds)}

    assert set(plots.PANELS) <= set(measured)
    assert 1 <= measured["page of agents: keys, of each"] < 2  # a task in the background may examine a key meanwhile
    assert measured["users by two fields and a role: keys"] > 0


def test_processes_are_measured(mongod: EmbeddedReplicaSet, seeded: Sizes) -> None:
    measured = {one.measure: one.value for one in processes.measure_processes(mongod, PLAN, counts=(2,))}

    assert [name for name, value in measured.items() if value < 0] == []
    assert {name for name, value in measured.items() if value > 1} >= {
        "startRoom, 32 at once",
        "page of agents, 32 at once",
        "deliveries to 2 subscribers",
        "facts of 32 startRoom at once",
    }
    assert {
        "a fact, 8 messages at once: CPU of a server that only follows the log",
        "a fact, 32 startRoom at once: CPU of a server that only follows the log",
    } <= set(measured)


# ---------------------------------------------------------------- what is drawn


def result(rooms: int, value: float, measure: str = "doctor") -> Result:
    return Result(Sizes(rooms=rooms, agents=1, users=1, facts=1), measure, "s", value)


def test_lowest_figure_of_several_rounds_counts() -> None:
    lines = [result(10, 1.0), result(100, 3.0), result(10, 2.0), result(100, 1.2)]

    (curve,) = results.curves(lines, "rooms")
    assert curve.points == [(10, 1.0), (100, 1.2)]
    assert curve.is_flat
    assert results.curves(lines, "agents") == []


def test_cost_that_grows_is_not_flat_and_is_named_in_the_title() -> None:
    grows = Curve("doctor", "s", [(10, 1.0), (100, 1.6)])
    flat = Curve("startRoom with routing: CPU", "ms", [(10, 1.0), (100, 1.4)])

    assert not grows.is_flat
    assert plots.growth_title([grows, flat], "open rooms") == (
        "From 10 to 100 open rooms, these grow: switchboard doctor 1.6 x. The rest stays flat."
    )
    assert Curve("doctor", "s", [(10, 1.0), (100, 1.6), (1000, 1.0)]).is_flat  # no growth, but another program


def test_best_rate_and_lowest_cost_of_processes_count() -> None:
    lines = [ProcessResult(1, name, unit, value) for name, unit in (("a", "/s"), ("b", "ms")) for value in (1.0, 2.0)]

    assert results.by_processes(lines) == {("a", "/s"): {1: 2.0}, ("b", "ms"): {1: 1.0}}


def test_base_of_the_plan_is_the_first_size_of_each_factor() -> None:
    databases = list(FULL.databases())

    assert databases[0] == FULL.base == Sizes(rooms=1_000, agents=200, users=10_000, facts=100_000)
    assert len(databases) == len({one.database for one in databases}) == 9


def test_documentation_shows_the_recorded_results() -> None:
    lines = results.read(results.RECORDED)
    text = page.PAGE.read_text(encoding="utf-8")

    assert page.replaced(text, plots.COMMAND, plots.tables(lines)) == text, "run make plots"
    for name, drawn in plots.drawings(lines).items():
        assert (plots.IMAGES / name).read_text(encoding="utf-8") == drawn, "run make plots"
        ElementTree.fromstring(drawn)
        assert f"images/{name}" in text
    assert {f"growth-{factor}.svg" for factor in FACTORS} <= set(plots.drawings(lines))


def test_recorded_results_have_the_sizes_of_the_long_form() -> None:
    measured = {line.sizes for line in results.read(results.RECORDED) if isinstance(line, Result)}

    assert measured == set(FULL.databases())
