"""Measures what grows with the sizes of a deployment, and what 1 and 2 server processes reach.

    python -m benchmarks.growth [--quick | --full] [--data FOLDER] [--results FILE] [--seed-only]
    python -m benchmarks.growth --rooms 1000,10000 --agents 200 --users 10000 --facts 100000

Starts a mongod and servers of its own. Each factor grows alone: of each list, the first number is the size of the
factor while another one grows. Databases are filled once for each FOLDER (the long form takes some 20 minutes and
8 GB), so that a measurement can be repeated. Results are appended to FILE as JSON lines.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Figure, record
from benchmarks.growth import results
from benchmarks.growth.measures import measure
from benchmarks.growth.processes import measure_processes
from benchmarks.growth.results import Result, Run
from benchmarks.growth.seed import seed
from benchmarks.growth.sizes import FACTORS, FULL, QUICK, Plan
from storage.embedded.replica_set import EmbeddedReplicaSet

CACHE_GB = 2.0
#: A cost may grow by this at most, to count as flat in `make bench`.
TARGET = 1 / results.FLAT


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(one) for one in text.split(","))


def parse() -> tuple[argparse.Namespace, Plan]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, some two minutes")
    parser.add_argument("--full", action="store_true", help="the sizes of docs/benchmarks.md; the default")
    for factor, name in FACTORS.items():
        parser.add_argument(f"--{factor}", type=numbers, metavar="N,N,...", help=f"numbers of {name}")
    parser.add_argument("--seconds", type=float, help="seconds of each measure")
    parser.add_argument("--rounds", type=int, help="how often all is measured; the lowest figure counts")
    parser.add_argument("--subscribers", type=int, help="subscribers of the same event")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="keep the databases here, and use those that exist")
    parser.add_argument("--results", type=Path, metavar="FILE", help="append the results to this file")
    parser.add_argument("--seed-only", action="store_true", help="fill the databases, and measure nothing")
    parser.add_argument("--without-processes", action="store_true", help="do not measure 1 and 2 processes")
    options = parser.parse_args()
    plan = (QUICK if options.quick else FULL).changed(
        **{name: getattr(options, name) for name in (*FACTORS, "seconds", "rounds", "subscribers")}
    )
    return options, plan


@contextmanager
def mongod(data: Path | None) -> Iterator[EmbeddedReplicaSet]:
    """A mongod with its data in the folder, or in a temporary one."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedReplicaSet(data or Path(folder), cache_gb=CACHE_GB) as running,
    ):
        yield running


def main() -> None:
    options, plan = parse()
    lines: list[results.Line] = []

    def add(line: results.Line) -> None:
        lines.append(line)
        if options.results:
            results.append(options.results, line)

    with mongod(options.data) as running:
        for sizes in plan.databases():
            seed(running.uri, sizes)
        if options.seed_only:
            return
        machine = results.machine()
        add(Run(f"{datetime.now(UTC):%Y-%m-%d %H:%M}", machine["cores"], machine["load"], CACHE_GB))
        databases = list(plan.databases())
        for turn in range(plan.rounds):
            for place, sizes in enumerate(databases):
                began = time.monotonic()
                for measured, unit, value in measure(running.uri, sizes, plan.seconds):
                    add(Result(sizes, measured, unit, value))
                print(
                    f"round {turn + 1} of {plan.rounds}, [{place + 1}/{len(databases)}] {sizes.database}: "
                    f"{time.monotonic() - began:.0f} s",
                    flush=True,
                )
        if not options.without_processes:
            for one in measure_processes(running, plan):
                add(one)
    print(f"\n{results.table(lines)}\n")
    for (measured, unit), by_count in results.by_processes(lines).items():
        figures = ", ".join(f"{count}: {results.number(value)} {unit}" for count, value in sorted(by_count.items()))
        print(f"{measured}, by processes: {figures}")
    record_figures(lines)


def record_figures(lines: list[results.Line]) -> None:
    """Record how each cost grows, beside the same cost at the smallest size, for the table of `make bench`."""
    for factor, name in FACTORS.items():
        for curve in results.curves(lines, factor):
            if "CPU" in curve.measure or "first event" in curve.measure:
                (smallest, reference), (largest, value) = curve.points[0], curve.points[-1]
                what = f"{curve.measure}, {largest:,} {name}"
                record(Figure(what, value, curve.unit, reference, f"{smallest:,} {name}", TARGET, lower_is_better=True))
    for (measured, unit), by_count in results.by_processes(lines).items():
        if len(by_count) > 1 and unit == "/s":
            record(Figure(f"{measured}, 2 processes", by_count[2], unit, by_count[1], "1 process"))


if __name__ == "__main__":
    main()
