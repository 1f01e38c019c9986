"""A server with webhooks, and the program that receives them."""

from collections.abc import AsyncIterator

import pytest

from tests.server.webhooks.receiver import Receiver, receiving
from tests.server.webhooks.support import Deployment, deployment


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def server(mongodb_uri: str) -> AsyncIterator[Deployment]:
    async with deployment(mongodb_uri, "test-webhooks") as server:
        yield server
