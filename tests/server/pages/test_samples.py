"""The endpoint of sample data: whom it answers. What it creates is tested in tests/resolvers/samples."""

import httpx
import pytest

from resolvers.context import Services
from resolvers.samples import samples
from server.pages.built import BuiltPages
from storage.transactions import leases
from tests.conftest import ADMIN_TOKEN, served

NOTHING = {"state": None, "created": 0, "expected": 0, "busy": False, "empty": True}
ADMIN = {"authorization": f"Bearer {ADMIN_TOKEN}"}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "UNAUTHENTICATED"),
        ({"authorization": "Bearer nonsense"}, "UNAUTHENTICATED"),
        ({"authorization": "Basic abc"}, "UNAUTHENTICATED"),
    ],
)
async def test_it_needs_a_token_with_the_scope_admin(services: Services, headers: dict[str, str], code: str) -> None:
    async with served(services, built=BuiltPages({}, {})) as url, httpx.AsyncClient() as client:
        site = url.removesuffix("/graphql")
        answers = [
            await client.request(method, f"{site}/samples", headers=headers) for method in ("GET", "POST", "DELETE")
        ]
        state = await client.get(f"{site}/samples", headers=ADMIN)

    assert [answer.json()["errors"][0]["extensions"]["code"] for answer in answers] == [code] * 3
    assert state.json() == NOTHING


async def test_a_second_creation_at_the_same_time_is_refused_and_a_removal_of_nothing_removes_nothing(
    services: Services,
) -> None:
    database = services.storage.database
    async with served(services, built=BuiltPages({}, {})) as url, httpx.AsyncClient(headers=ADMIN) as client:
        site = url.removesuffix("/graphql")
        assert await leases.acquire(database, samples.LEASE, owner="other", seconds=600)
        refused = await client.post(f"{site}/samples")
        busy = await client.get(f"{site}/samples")
        await leases.release(database, samples.LEASE, owner="other")
        removed = await client.delete(f"{site}/samples")

    assert refused.status_code == 503
    assert refused.json()["errors"][0]["message"] == samples.BUSY
    assert busy.json() == NOTHING | {"busy": True}
    assert removed.json() == {"removed": 0, "left": {}}
