"""docs/deployment.md lists the migrations."""

import re
from pathlib import Path

from storage.migrations.registry import MIGRATIONS

PAGE = Path(__file__).parents[2] / "docs" / "deployment.md"


def test_the_table_has_every_migration_and_says_whether_it_is_compatible() -> None:
    rows = re.findall(r"^\| (\d+): ([\w ]+) \| [\d.]+ \| (yes|no) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert rows == [(str(one.version), one.name, "yes" if one.compatible else "no") for one in MIGRATIONS] != []
