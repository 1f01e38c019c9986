"""What tests of storage share."""

import pytest

from tests.databases import emptied


@pytest.fixture
def empty_database(mongodb_uri: str) -> str:
    """The name of a database in which nothing is but the built-in roles."""
    return emptied(mongodb_uri, "test-storage")
