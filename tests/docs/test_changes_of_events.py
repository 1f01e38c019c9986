import re
from pathlib import Path

from storage.facts import FACTS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "subscriptions.md").read_text(encoding="utf-8")


def test_the_page_names_the_fields_of_every_event_with_changes() -> None:
    section = PAGE.partition("## What changed")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE)

    documented = {event: tuple(re.findall(r"`([\w.]+)`", fields)) for event, fields in rows}

    recorded = {kind.__name__: getattr(kind, "fields", ()) for kind in FACTS.values()}
    assert documented == {
        event: tuple("customFields.KEY" if field == "customFields" else field for field in fields)
        for event, fields in recorded.items()
        if fields
    }
