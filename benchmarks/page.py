"""The parts of docs/benchmarks.md that programs write: each between two comments that name its command."""

from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def replaced(text: str, command: str, inserted: str) -> str:
    """The text of the page with another part. Raises ValueError if the page has no place for it."""
    before, begin, rest = text.partition(f"<!-- written by {command} -->\n")
    _, end, after = rest.partition(f"<!-- end of {command} -->\n")
    if not end:
        raise ValueError(f"{PAGE} has no part that {command} writes")
    return f"{before}{begin}\n{inserted.strip()}\n\n{end}{after}"


def write(command: str, inserted: str) -> None:
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), command, inserted), encoding="utf-8")
