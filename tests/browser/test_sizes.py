"""How much script the first page of the dashboard loads."""

import re

from server.pages.built import BuiltPages

LIMIT_BYTES = 250_000


def test_the_first_page_of_the_dashboard_loads_less_than_250_kb_of_script(built: BuiltPages) -> None:
    names = set(re.findall(r'assets/([^"]+\.js)"', built.pages["index"]))

    # As browsers get them. Small files are not compressed.
    files = {name: built.assets[name].compressed.get("br", built.assets[name].file) for name in names}
    sizes = {name: file.stat().st_size for name, file in files.items()}

    assert sizes
    assert sum(sizes.values()) < LIMIT_BYTES, sizes
