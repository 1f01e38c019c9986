"""What the README of the bots tells to type."""

import re
from pathlib import Path

from examples.bots import install


def test_command_that_creates_the_app_has_the_scopes_that_the_app_needs() -> None:
    readme = (Path(install.__file__).parent / "README.md").read_text(encoding="utf-8")

    (listed,) = re.findall(r"create-app my-bot --scopes (\S+)", readme)

    assert tuple(listed.split(",")) == install.SCOPES
