"""What was measured: lines of JSON, one for each measure of one database."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.growth.sizes import FACTORS, Sizes

#: The results that the documentation shows.
RECORDED = Path(__file__).parent / "results.jsonl"
#: A cost that grows by less than this, while the size grows by far more, is flat within the differences between runs.
FLAT = 1.5


class Result(msgspec.Struct, frozen=True, tag="result"):
    """One figure. Lower is better for all of them."""

    sizes: Sizes
    measure: str
    unit: str
    value: float


class ProcessResult(msgspec.Struct, frozen=True, tag="processes"):
    """One figure of a number of server processes over one mongod."""

    processes: int
    measure: str
    unit: str
    value: float


class Run(msgspec.Struct, frozen=True, tag="run"):
    """When and where the results were measured."""

    date: str
    cores: int
    load: float
    cache_gb: float


Line = Run | Result | ProcessResult


class Curve(msgspec.Struct, frozen=True):
    """One measure for growing sizes of one factor."""

    measure: str
    unit: str
    #: Sizes and values, by size.
    points: Sequence[tuple[int, float]]

    @property
    def growth(self) -> float:
        """The value of the largest size in terms of that of the smallest one."""
        first, last = self.points[0][1], self.points[-1][1]
        return last / first if first else (1.0 if not last else float("inf"))

    @property
    def is_flat(self) -> bool:
        """Whether the largest size costs less than FLAT times what the smallest one does."""
        return self.growth < FLAT


def append(path: Path, line: Line) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(msgspec.json.encode(line) + b"\n")


def read(path: Path) -> list[Line]:
    return [msgspec.json.decode(line, type=Line) for line in path.read_bytes().splitlines()]


def lowest(results: Iterable[Result]) -> list[Result]:
    """For each measure of each database, the lowest figure: other programs only add to it."""
    found: dict[tuple[Sizes, str], Result] = {}
    for one in results:
        key = (one.sizes, one.measure)
        if key not in found or one.value < found[key].value:
            found[key] = one
    return list(found.values())


def curves(lines: Sequence[Line], factor: str) -> list[Curve]:
    """How each measure grows with the factor, while the others have the sizes of the first result."""
    results = lowest(line for line in lines if isinstance(line, Result))
    base = results[0].sizes
    points: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for one in results:
        size = getattr(one.sizes, factor)
        if one.sizes == msgspec.structs.replace(base, **{factor: size}):
            points[one.measure, one.unit][size] = one.value
    return [Curve(measure, unit, sorted(found.items())) for (measure, unit), found in points.items() if len(found) > 1]


def by_processes(lines: Iterable[Line]) -> dict[tuple[str, str], dict[int, float]]:
    """The figures by measure and unit, and then by the number of processes: the best of several."""
    found: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for line in lines:
        if isinstance(line, ProcessResult):
            figures = found[line.measure, line.unit]
            best = max if line.unit == "/s" else min
            figures[line.processes] = best(line.value, figures.get(line.processes, line.value))
    return dict(found)


def machine() -> dict[str, Any]:
    return {"cores": os.cpu_count() or 1, "load": round(os.getloadavg()[0], 1)}


def number(value: float) -> str:
    """Three significant digits, with separators of thousands."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def table(lines: Sequence[Line]) -> str:
    """A table in Markdown: each measure at the smallest and at the largest size of each factor. What grows is bold."""
    found = {factor: {one.measure: one for one in curves(lines, factor)} for factor in FACTORS}
    found = {factor: measured for factor, measured in found.items() if measured}
    heads = []
    for factor, measured in found.items():
        points = next(iter(measured.values())).points
        heads.append(f"{points[0][0]:,} to {points[-1][0]:,} {FACTORS[factor]}")
    measures = dict.fromkeys(measure for measured in found.values() for measure in measured)
    rows = [
        f"| {measure} | {' | '.join(cell(measured.get(measure)) for measured in found.values())} |"
        for measure in measures
    ]
    return "\n".join([f"| | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}", *rows])


def cell(curve: Curve | None) -> str:
    if curve is None:
        return ""
    shown = f"{number(curve.points[0][1])} to {number(curve.points[-1][1])} {curve.unit}"
    # A p99 is one of a few operations, and says nothing about growth.
    return shown if curve.is_flat or curve.measure.endswith("p99") else f"**{shown}**"
