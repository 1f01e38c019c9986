"""How much script the first page of the dashboard loads."""

import re

from server.pages.built import BuiltPages

LIMIT_BYTES = 250_000


def test_the_first_page_of_the_dashboard_loads_less_than_250_kb_of_script(built: BuiltPages) -> None:
    names = set(re.findall(r'assets/([^"]+\.js)"', built.pages["index"]))

    sizes = {name: built.assets[name].compressed["gzip"].stat().st_size for name in names}

    assert sizes
    assert sum(sizes.values()) < LIMIT_BYTES, sizes
