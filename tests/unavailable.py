"""What tests do on a machine without something that they need, such as a browser."""

import os
from typing import NoReturn

import pytest


def unavailable(reason: str) -> NoReturn:
    """Skip the test with this reason. In continuous integration (CI=true), fail it."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
