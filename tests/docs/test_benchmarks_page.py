"""The figures of the page on benchmarks agree with each other and with the README, and commands can write parts."""

import re

import pytest

from benchmarks import page
from benchmarks.__main__ import COMMAND
from benchmarks.growth import plots
from tests.processes import ROOT

TEXT = page.PAGE.read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[str]:
    return re.findall(r"^\|.*\|$", text, re.MULTILINE)


def test_three_figures_of_the_readme_are_those_of_the_page() -> None:
    three = rows(section(TEXT, "The three that matter"))

    assert len(three) == 2 + 3
    assert rows(section((ROOT / "README.md").read_text(encoding="utf-8"), "How fast it is")) == three
    assert set(three) <= set(rows(section(TEXT, "Beside another server")))


def test_ratios_beside_another_server_are_those_of_its_figures() -> None:
    for row in rows(section(TEXT, "Beside another server"))[2:]:
        other, own, ratio = (float(re.sub(r"[^\d.]", "", cell)) for cell in row.strip("|").split("|")[1:])
        expected = other / own if re.search(r"\d (us|ms|KiB) \|", row) else own / other
        assert ratio == pytest.approx(expected, rel=0.03), row


def test_figures_are_in_the_order_of_their_weight() -> None:
    headings = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)

    assert headings[:5] == ["Method", "The three that matter", "All figures", "What grows", "Beside another server"]


@pytest.mark.parametrize("command", [COMMAND, plots.COMMAND])
def test_part_that_a_command_writes_is_replaced(command: str) -> None:
    once = page.replaced(TEXT, command, "| new |")

    assert f"<!-- written by {command} -->\n\n| new |\n\n<!-- end of {command} -->\n" in once
    assert page.replaced(once, command, "| new |") == once


def test_page_without_a_place_for_a_part_is_refused() -> None:
    with pytest.raises(ValueError, match="no part that make cake writes"):
        page.replaced(TEXT, "make cake", "")
