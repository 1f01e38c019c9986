"""The arithmetic of the page on sizing is right, and its shard keys are possible."""

import math
import re

from benchmarks.growth import results
from benchmarks.growth.results import ProcessResult
from storage.mongo.indexes import INDEXES
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "sizing.md").read_text(encoding="utf-8")
#: The CPU that reading an event takes, by the page.
READ_US = 66
BENCHMARKS = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")


def number(text: str) -> float:
    return float(text.replace(",", ""))


def shard_keys() -> dict[str, str]:
    """The shard key of each collection that the table names."""
    table = PAGE.partition("## Shard keys")[2]
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|", table, re.MULTILINE)
    return {name: key.strip("`") for names, key in rows for name in re.findall(r"`(\w+)`", names)}


def test_no_collection_with_a_unique_index_has_a_shard_key() -> None:
    unique = {name for name, indexes in INDEXES.items() if any(one.document.get("unique") for one in indexes)}
    unique |= {"users", "visitors", "rooms"}  # custom fields can be unique

    assert unique & {name for name, key in shard_keys().items() if key != "none"} == set()


def test_every_collection_of_the_table_and_every_key_exists() -> None:
    assert set(shard_keys()) <= set(INDEXES)
    assert {key for key in shard_keys().values() if key != "none"} == {'{roomId: "hashed"}', '{_id: "hashed"}'}
    for name, key in shard_keys().items():
        if "roomId" in key:
            assert any("roomId" in index.document["key"] for index in INDEXES[name]), name


def test_commands_shard_the_collections_of_the_table() -> None:
    commands = re.findall(r'sh\.shardCollection\("switchboard\.(\w+)", \{ (\w+): "hashed" \}\)', PAGE)

    assert commands == [(name, "roomId") for name, key in shard_keys().items() if "roomId" in key]


def test_bytes_of_a_conversation_are_those_of_the_benchmarks() -> None:
    rows = re.findall(r"^\| .*? \| ([\d,]+) B \| ([\d,]+) B \| ([\d,]+) B \|$", PAGE, re.MULTILINE)
    measured = re.findall(
        r"^\| (?:log|messages|room|assignment).*? \| [\d,]+ B \| ([\d,]+) B \| ([\d,]+) B \|$", BENCHMARKS, re.MULTILINE
    )

    assert {row[:2] for row in rows} == set(measured)
    assert [number(documents) + number(indexes) for documents, indexes, _ in rows] == [number(row[2]) for row in rows]
    assert sum(number(row[2]) for row in rows[1:]) == 3_049


def test_figures_of_the_page_are_in_the_benchmarks() -> None:
    for figure in ("21,838", "57,280", "1.4 ms", "1,051 rooms/s", "1,138 B", "631 B", "1,808 B", "5.1 for each event"):
        assert figure in BENCHMARKS, figure
        assert figure.removesuffix(" rooms/s").removesuffix(" for each event") in PAGE, figure


def test_end_of_the_single_log_follows_from_the_measured_figures() -> None:
    ends = PAGE.partition("## Where the single log ends")[2].partition("\n## ")[0]
    inserts, documents, appends, read_us = 57_280, 5.1, 21_838, READ_US
    events = inserts / documents / 3
    conversations = round(events / 14)

    for figure in (
        f"{inserts:,} inserts/s",
        f"= {inserts / documents:,.0f};",
        f"| {events:,.0f} | {conversations} |",
        f"| {0.25 / read_us * 1e6:,.0f} | {0.25 / read_us * 1e6 / 14:.0f} |",
        f"| {appends:,} | {appends / 14:,.0f} |",
        f"{7_015 / 14:.0f} B an event",
        f"{7_015 / 14 * 7 * 86_400 / 1e6:.0f} MB for each event/s",
        f"{events * 7_015 / 14 * 7 * 86_400 / 1e12:.2f} TB",
        f"{conversations * 86_400 / 1e6:.0f} million",
        f"{conversations * 86_400 / 4e6:.1f} million",
        f"{conversations} / 36 = {conversations / 36:.1f} cores",
        f"{events * read_us / 1e6:.0%} of its core",
        f"= {math.ceil(conversations / 36 / (1 - 0.25))} processes",
    ):
        assert figure in " ".join(ends.split()), figure


def test_following_an_event_costs_what_the_page_says() -> None:
    recorded = [line for line in results.read(results.RECORDED) if isinstance(line, ProcessResult)]
    many = [line.value for line in recorded if line.measure == "facts of 32 startRoom at once"]
    costs = [
        line.value
        for line in recorded
        if line.measure == "a fact, 32 startRoom at once: CPU of a server that only follows the log"
    ]

    assert (round(max(costs)), {round(rate, -3) for rate in many}) == (READ_US, {3_000})
