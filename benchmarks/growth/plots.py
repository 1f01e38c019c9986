"""Draws the recorded results: SVG files in docs/images, and the tables of docs/benchmarks.md.

    python -m benchmarks.growth.plots [RESULTS]

Results that are named replace the recorded ones first. A title says what stays flat and what grows.
"""

import math
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from types import MappingProxyType

from benchmarks import page
from benchmarks.growth import results
from benchmarks.growth.results import RECORDED, Curve, Line, number
from benchmarks.growth.sizes import FACTORS
from benchmarks.sockets import ROOT

IMAGES = ROOT / "docs" / "images"
#: The command that writes the tables of the page.
COMMAND = "make plots"

#: The measures that have a panel, and its title.
PANELS = MappingProxyType(
    {
        "startRoom with routing: CPU": "startRoom, CPU",
        "users by two fields and a role: CPU": "users by fields, CPU",
        "rooms by a field: CPU": "rooms by a field, CPU",
        "page of agents: CPU, of each": "page of agents, CPU of one",
        "roomList, 50 shown: until READY, p50": "roomList until READY, p50",
        "roomList, 50 shown: keys of its start": "roomList, keys of its start",
        "roomList, 50 shown: CPU of a change": "roomList, CPU of a change",
        "replay from the end: CPU of an event": "replay of the end, CPU",
        "replay from the middle: CPU of an event": "replay of the middle, CPU",
        "start of a server: CPU": "start of a server, CPU",
        "memory of a server that has started": "memory of a server",
        "doctor": "switchboard doctor",
    }
)
COLUMNS, WIDTH, HEIGHT = 4, 190, 132
TOP, LINE_HEIGHT = 20, 18
STYLE = """
  <style>
    svg { --back: #ffffff; --ink: #24292f; --soft: #57606a; --grid: #d0d7de; --flat: #1a7f64; --grows: #bc4c00; }
    @media (prefers-color-scheme: dark) {
      svg { --back: #1b1f27; --ink: #e6edf3; --soft: #9aa4b0; --grid: #3a424e; --flat: #4cc2a0; --grows: #f0883e; }
    }
    text { font: 11px system-ui, sans-serif; fill: var(--ink); }
    .head { font-size: 13px; font-weight: 600; }
    .title { font-weight: 600; }
    .soft { fill: var(--soft); font-size: 10px; }
    .middle { text-anchor: middle; }
    .end { text-anchor: end; }
    .grid { stroke: var(--grid); }
    .flat { stroke: var(--flat); fill: var(--flat); }
    .grows { stroke: var(--grows); fill: var(--grows); }
    polyline { stroke-width: 2; }
    polyline.flat, polyline.grows { fill: none; }
    text.flat, text.grows { stroke: none; font-weight: 600; }
  </style>"""


def drawing(title: str, panels: Sequence[str]) -> str:
    """An SVG file with panels in rows below a title."""
    head = textwrap.wrap(title, 94)
    top = TOP + LINE_HEIGHT * len(head)
    height = top + HEIGHT * -(-len(panels) // COLUMNS) + 6
    width = WIDTH * COLUMNS
    box = f'viewBox="0 0 {width} {height}" width="{width}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-label="{escape(title)}">{STYLE}',
        f'  <rect width="{width}" height="{height}" rx="8" style="fill: var(--back)"/>',
        *(
            f'  <text class="head" x="14" y="{TOP + 6 + LINE_HEIGHT * row}">{escape(line)}</text>'
            for row, line in enumerate(head)
        ),
    ]
    for place, panel in enumerate(panels):
        x, y = WIDTH * (place % COLUMNS), top + HEIGHT * (place // COLUMNS)
        parts.append(f'  <g transform="translate({x} {y})">{panel}\n  </g>')
    return "\n".join([*parts, "</svg>", ""])


def panel(curve: Curve, title: str) -> str:
    """One measure: its values over the sizes, from zero."""
    kind = "flat" if curve.is_flat else "grows"
    word = "flat" if curve.is_flat else f"{curve.growth:.1f} x"
    left, right, bottom, top = 22, WIDTH - 22, HEIGHT - 24, 36
    highest = max(value for _, value in curve.points) * 1.25 or 1.0
    first, last = (math.log10(curve.points[at][0]) for at in (0, -1))
    places = [
        (left + (right - left) * (math.log10(size) - first) / (last - first), bottom - (bottom - top) * value / highest)
        for size, value in curve.points
    ]
    parts = [
        f'<text class="title" x="14" y="14">{escape(title)}</text>',
        f'<text class="{kind} end" x="{WIDTH - 12}" y="28">{word}</text>',
        f'<text class="soft" x="14" y="28">{escape(curve.unit)}</text>',
        f'<line class="grid" x1="14" y1="{bottom}" x2="{WIDTH - 12}" y2="{bottom}"/>',
        f'<polyline class="{kind}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>',
    ]
    for at, ((size, value), (x, y)) in enumerate(zip(curve.points, places, strict=True)):
        anchor = "" if at == 0 else " end" if at == len(places) - 1 else " middle"
        shift = -8 if at == 0 else 8 if at == len(places) - 1 else 0
        parts += [
            f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>',
            f'<text class="{anchor.strip()}" x="{x + shift:.1f}" y="{y - 7:.1f}">{number(value)}</text>',
            f'<text class="soft{anchor}" x="{x + shift:.1f}" y="{bottom + 13}">{short(size)}</text>',
        ]
    return "".join(f"\n    {part}" for part in parts)


def bars(title: str, unit: str, figures: Mapping[int, float]) -> str:
    """One measure: a bar for each number of processes."""
    highest = max(figures.values()) * 1.05 or 1.0
    parts = [
        f'<text class="title" x="14" y="14">{escape(title)}</text>',
        f'<text class="soft" x="14" y="28">{escape(unit)}</text>',
    ]
    for row, (count, value) in enumerate(sorted(figures.items())):
        y = 40 + 34 * row
        length = (WIDTH - 90) * value / highest
        parts += [
            f'<text class="soft" x="14" y="{y + 14}">{count}</text>',
            f'<rect class="flat" x="26" y="{y}" width="{length:.1f}" height="20"/>',
            f'<text x="{32 + length:.1f}" y="{y + 14}">{number(value)}</text>',
        ]
    return "".join(f"\n    {part}" for part in parts)


def short(size: int) -> str:
    if size >= 1_000_000:
        return f"{size // 1_000_000}M"
    return f"{size // 1_000}k" if size >= 1_000 else str(size)


def growth_title(curves: Sequence[Curve], name: str) -> str:
    sizes = [size for size, _ in curves[0].points]
    growing = [f"{PANELS[one.measure].replace(',', '')} {one.growth:.1f} x" for one in curves if not one.is_flat]
    flat = " The rest stays flat." if len(growing) < len(curves) else ""
    rest = f"these grow: {', '.join(growing)}.{flat}" if growing else "all of these stay flat."
    return f"From {short(sizes[0])} to {short(sizes[-1])} {name}, {rest}"


def drawings(lines: Sequence[Line]) -> dict[str, str]:
    """The SVG files by name."""
    found = {}
    for factor, name in FACTORS.items():
        shown = {one.measure: one for one in results.curves(lines, factor) if one.measure in PANELS}
        if shown:
            curves = [shown[measure] for measure in PANELS if measure in shown]
            panels = [panel(one, PANELS[one.measure]) for one in curves]
            found[f"growth-{factor}.svg"] = drawing(growth_title(curves, name), panels)
    by_count = {key: figures for key, figures in results.by_processes(lines).items() if len(figures) > 1}
    if by_count:
        panels = [bars(shortened(measure), unit, figures) for (measure, unit), figures in by_count.items()]
        found["growth-processes.svg"] = drawing(process_title(by_count), panels)
    return found


def shortened(measure: str) -> str:
    """The title of a panel."""
    return measure.partition(", with")[0].replace("CPU of the", "CPU,").replace("CPU of", "CPU,")


def process_title(by_count: Mapping[tuple[str, str], Mapping[int, float]]) -> str:
    rates = [
        f"{measure} {figures[2] / figures[1]:.1f} x" for (measure, unit), figures in by_count.items() if unit == "/s"
    ]
    return f"Two server processes instead of one, beside clients and mongod on the same cores: {'; '.join(rates)}."


def process_table(lines: Sequence[Line]) -> str:
    rows = []
    for (measure, unit), figures in results.by_processes(lines).items():
        shown = (f"{number(figures[count])} {unit}" if count in figures else "" for count in (1, 2))
        rows.append(f"| {measure} | {' | '.join(shown)} |")
    return "\n".join(["| | 1 process | 2 processes |", "|---|---:|---:|", *rows])


def tables(lines: Sequence[Line]) -> str:
    """What docs/benchmarks.md shows of the results."""
    run = [line for line in lines if isinstance(line, results.Run)][-1]
    return (
        f"Measured on {run.date} UTC, {run.cores} cores, load average {run.load} at the start, a cache of "
        f"{run.cache_gb:g} GB for mongod.\n\n{results.table(lines)}\n\n{process_table(lines)}"
    )


def main() -> None:
    if len(sys.argv) > 1:
        shutil.copyfile(Path(sys.argv[1]), RECORDED)
    lines = results.read(RECORDED)
    for name, drawn in drawings(lines).items():
        (IMAGES / name).write_text(drawn, encoding="utf-8")
        print(f"docs/images/{name}")
    page.write(COMMAND, tables(lines))
    print("docs/benchmarks.md")


if __name__ == "__main__":
    main()
