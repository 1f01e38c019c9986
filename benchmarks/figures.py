"""The figures of the programs here, which `python -m benchmarks` collects into one table."""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

#: The file that figures are appended to, as JSON lines. Without it, a program only prints.
VARIABLE = "BENCHMARK_FIGURES"


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One measured value, beside a reference that was measured in the same run."""

    what: str
    value: float
    unit: str
    #: The same work by something else, in the same unit; None if there is nothing to compare with.
    reference: float | None = None
    #: What the reference is.
    reference_is: str = ""
    #: The ratio to reach, or the value if there is no reference.
    target: float | None = None
    #: Whether a lower value is better, as of a duration.
    lower_is_better: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times better than the reference: above 1 is better, whichever way the value counts."""
        if self.reference is None or not self.value or not self.reference:
            return None
        return self.reference / self.value if self.lower_is_better else self.value / self.reference

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; None without a target."""
        if self.target is None:
            return None
        if self.reference is not None:
            return self.ratio is not None and self.ratio >= self.target
        return self.value <= self.target if self.lower_is_better else self.value >= self.target


def record(*figures: Figure) -> None:
    """Append the figures to the file of VARIABLE, if it is set."""
    if path := os.environ.get(VARIABLE):
        append(Path(path), figures)


def append(path: Path, figures: Iterable[Figure]) -> None:
    with path.open("ab") as file:
        file.writelines(msgspec.json.encode(figure) + b"\n" for figure in figures)


def read(path: Path) -> list[Figure]:
    """The recorded figures, in their order."""
    return [msgspec.json.decode(line, type=Figure) for line in path.read_bytes().splitlines()] if path.exists() else []


def table(figures: list[Figure]) -> str:
    """A table in Markdown, with a row for each figure."""
    lines = ["| figure | measured | reference in the same run | ratio | target | |", "|---|---:|---|---:|---:|---|"]
    for one in figures:
        reference = "" if one.reference is None else f"{number(one.reference)} {one.unit}, {one.reference_is}"
        target = (
            "" if one.target is None else number(one.target) + (" x" if one.reference is not None else f" {one.unit}")
        )
        ratio = "" if one.ratio is None else f"{one.ratio:.2f} x"
        met = {None: "", True: "met", False: "not met"}[one.is_met]
        lines.append(f"| {one.what} | {number(one.value)} {one.unit} | {reference} | {ratio} | {target} | {met} |")
    return "\n".join(lines)


def number(value: float) -> str:
    """Three significant digits, with separators of thousands."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
