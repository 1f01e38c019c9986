"""The table of figures that `make bench` prints. The benchmarks themselves are not tests: they need a quiet machine."""

from pathlib import Path

import pytest

from benchmarks import figures, peer
from benchmarks.__main__ import SHARED, programs
from benchmarks.figures import Figure


def test_ratio_above_one_is_better_whichever_way_a_figure_counts() -> None:
    rate = Figure("lookups", 300, "/s", 200, "the driver alone", target=1.2)
    latency = Figure("p99", 2, "ms", 3, "the driver alone", target=1.6, lower_is_better=True)

    assert (rate.ratio, rate.is_met) == (1.5, True)
    assert (latency.ratio, latency.is_met) == (1.5, False)


def test_figure_without_a_reference_is_compared_with_its_target() -> None:
    assert Figure("replay", 20_000, "events/s", target=20_000).is_met is True
    assert Figure("memory", 17, "MiB", target=16, lower_is_better=True).is_met is False
    assert Figure("queue", 700, "rooms/s").is_met is None


def test_recorded_figures_are_read_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = [Figure("a", 1, "/s"), Figure("b", 2, "ms", 4, "the driver alone", 1.5, lower_is_better=True)]
    figures.record(written[0])
    monkeypatch.setenv(figures.VARIABLE, str(tmp_path / "figures"))

    for one in written:
        figures.record(one)
    assert figures.read(tmp_path / "figures") == written
    assert figures.table(written).splitlines()[2:] == [
        "| a | 1 /s |  |  |  |  |",
        "| b | 2 ms | 4 ms, the driver alone | 2.00 x | 1.5 x | met |",
    ]


def test_comparison_shows_what_both_servers_measured() -> None:
    line = 'product: {"client":"lookups","created_per_s":90.0,"typename_per_s":853.0} (others: 3% of a core)'
    match = peer.LINE.match(line)
    assert match is not None
    assert match.groups() == ("product", '{"client":"lookups","created_per_s":90.0,"typename_per_s":853.0}')

    found = {
        ("product", "lookups"): {"created_per_s": 90.0, "typename_per_s": 853.0},
        ("peer", "lookups"): {"created_per_s": 450.0},
    }
    (figure,) = peer.compared(found)
    assert figure.what == "createUser, 32 connections"
    assert (figure.ratio, figure.is_met) == (0.2, False)


def test_every_program_of_the_folder_records_its_figures() -> None:
    folder = Path(figures.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - SHARED - {"__init__"}
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert modules | packages == set(programs())
    for name in programs():
        file = folder / f"{name}.py" if name in modules else folder / name / "__main__.py"
        assert "record(Figure(" in "".join(file.read_text().split()), name
