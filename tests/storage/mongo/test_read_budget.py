"""One operation reads a limited number of bytes for its answer, however many lists it asks for."""

import asyncio
from typing import Any

import httpx
import pytest

from resolvers.context import Services
from storage.errors import QueryTooComplex
from storage.mongo.read_budget import OPERATION_BYTES, charge, read_budget
from tests.conftest import ADMIN_TOKEN
from tests.faults.clients import Client

MESSAGES = 200


async def test_tasks_of_an_operation_share_its_budget() -> None:
    async def read(size: int) -> None:
        charge(size)

    with read_budget(100):
        await asyncio.gather(read(40), read(60))
        with pytest.raises(QueryTooComplex, match="more than 100 bytes"):
            await asyncio.create_task(read(1))


async def test_budget_ends_with_its_operation() -> None:
    with read_budget(1):
        charge(1)

    charge(OPERATION_BYTES + 1)


async def test_each_operation_has_a_budget_of_its_own() -> None:
    async def operation() -> None:
        with read_budget(100):
            charge(100)
            await asyncio.sleep(0)

    await asyncio.gather(operation(), operation())


async def test_lists_of_one_answer_together_are_limited(services: Services, url: str) -> None:
    async with Client([url]) as client:
        room = await client.start(await client.visitor("w"))
        await client.mutate("sendMessage", "message { id }", roomId=room["id"], text="x" * 20_000)
    await copy_the_message(services, MESSAGES - 1)
    of_a_page = MESSAGES * 20_000
    allowed = OPERATION_BYTES // of_a_page

    within = await answer(url, lists(room["id"], allowed))
    beyond = await answer(url, lists(room["id"], allowed + 1))
    again = await answer(url, lists(room["id"], allowed))

    assert "errors" not in within
    assert [len(page["messages"]["nodes"]) for page in within["data"].values()] == [
        MESSAGES - number for number in range(allowed)
    ]
    (refused,) = beyond["errors"]
    assert refused["extensions"]["code"] == "QUERY_TOO_COMPLEX"
    assert refused["message"].startswith(f"The answer would take more than {OPERATION_BYTES:,} bytes")
    assert again == within


async def copy_the_message(services: Services, times: int) -> None:
    messages = services.storage.database["messages"]
    (message,) = await messages.find({}).to_list(None)
    copies = [
        message | {"_id": f"{message['_id'][:-3]}{number:03}", "number": message["number"] + number}
        for number in range(1, times + 1)
    ]
    await messages.insert_many(copies)


def lists(room_id: str, count: int) -> str:
    """Different pages of one room's messages: equal ones are read once."""
    pages = (f"messages(first: {MESSAGES - number}) {{ nodes {{ text }} }}" for number in range(count))
    return "{ " + " ".join(f'a{n}: room(by: {{id: "{room_id}"}}) {{ {page} }}' for n, page in enumerate(pages)) + " }"


async def answer(url: str, query: str) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=60, headers={"authorization": f"Bearer {ADMIN_TOKEN}"}) as http:
        return (await http.post(url, json={"query": query})).json()  # type: ignore[no-any-return]
