import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "subscriptions.md").read_text(encoding="utf-8")


def test_page_has_nine_promises() -> None:
    assert re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE) == [str(number) for number in range(1, 10)]


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)

    assert named
    missing = [
        (path, name)
        for path, name in named
        if not re.search(rf"def {name}\(", (ROOT / path).read_text(encoding="utf-8"))
    ]
    assert missing == []
