"""Fixtures of the tests of storage."""

import pytest

from tests.databases import emptied


@pytest.fixture
def empty_database(mongodb_uri: str) -> str:
    """The name of a database with the built-in roles alone."""
    return emptied(mongodb_uri, "test-storage")
