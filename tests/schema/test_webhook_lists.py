"""What a list of webhooks shows of each of them is read together."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from storage import webhook_deliveries
from storage.mongo.pagination import Page, PageRequest
from storage.mongo.reader import Reader
from storage.webhook_records import WebhookDelivery
from tests.server.webhooks.support import Deployment, deployment

LISTS = """query ($first: Int, $after: Cursor, $last: Int, $before: Cursor) {
  webhooks {
    name
    deliveries(first: $first, after: $after, last: $last, before: $before) {
      nodes { number }
      totalCount
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}"""


@pytest.fixture
async def server(mongodb_uri: str) -> AsyncIterator[Deployment]:
    async with deployment(mongodb_uri, "test-webhook-lists") as server:
        yield server


async def create(server: Deployment, name: str, deliveries: int) -> None:
    """Create a webhook that is paused, with entries in its delivery log."""
    made = await server.create("https://example.org/", name=name, active=False)
    webhook_id = made["webhook"]["id"].removeprefix("whk_")
    for number in range(1, deliveries + 1):
        entry = WebhookDelivery(
            webhook_id=webhook_id,
            number=number,
            sequence=number,
            attempt=1,
            at=datetime.now(UTC),
            milliseconds=1,
            status=200,
        )
        await webhook_deliveries.insert(server.services.storage.reader, entry)


def shown(page: Any) -> tuple[list[int], int, bool, bool]:
    """The numbers of a page, the number of all entries, and whether others follow and precede the page."""
    numbers, info = [node["number"] for node in page["nodes"]], page["pageInfo"]
    return numbers, page["totalCount"], info["hasNextPage"], info["hasPreviousPage"]


async def lists(server: Deployment, **arguments: Any) -> dict[str, Any]:
    """A page of the deliveries of each webhook, by name."""
    found = await server.client.send(LISTS, **arguments)
    return {one["name"]: one["deliveries"] for one in found["webhooks"]}


async def test_the_deliveries_of_a_list_of_webhooks_are_read_together(
    server: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, count in (("a", 3), ("b", 0), ("c", 1)):
        await create(server, name, count)
    read_pages, reads = webhook_deliveries.read_pages, []

    async def read(reader: Reader, ids: Sequence[str], *, page: PageRequest) -> dict[str, Page[WebhookDelivery]]:
        reads.append(len(ids))
        return await read_pages(reader, ids, page=page)

    monkeypatch.setattr(webhook_deliveries, "read_pages", read)

    found = await lists(server, first=2)

    assert {name: shown(page) for name, page in found.items()} == {
        "a": ([3, 2], 3, True, False),
        "b": ([], 0, False, False),
        "c": ([1], 1, False, False),
    }
    assert reads == [3]


async def test_pages_of_deliveries_go_on_in_both_directions(server: Deployment) -> None:
    await create(server, "a", 5)
    first = (await lists(server, first=2))["a"]

    second = (await lists(server, first=2, after=first["pageInfo"]["endCursor"]))["a"]
    third = (await lists(server, first=2, after=second["pageInfo"]["endCursor"]))["a"]
    back = (await lists(server, last=1, before=second["pageInfo"]["startCursor"]))["a"]
    last = (await lists(server, last=2))["a"]

    assert shown(first) == ([5, 4], 5, True, False)
    assert shown(second) == ([3, 2], 5, True, True)
    assert shown(third) == ([1], 5, False, True)
    assert shown(back) == ([4], 5, True, True)
    assert shown(last) == ([2, 1], 5, False, True)
