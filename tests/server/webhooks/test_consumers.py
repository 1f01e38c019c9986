"""The consumers of webhooks, and what is removed from events before they are sent."""

from collections.abc import Collection
from typing import Any

import pytest

from resolvers import consumer_lag
from resolvers.consumer_lag import Lag, ScanBudget
from resolvers.consumers.consumers import ConsumerStatus
from resolvers.context import Context
from server.webhooks.sender import SendLimits
from storage import consumers, webhooks
from storage.consumer_records import Consumer
from storage.mongo.reader import Reader
from tests.faults.clients import Refused
from tests.server.webhooks.receiver import Receiver
from tests.server.webhooks.support import STATE, Deployment, deployment
from tests.server.webhooks.test_delivery import names
from tests.storage.support import until


async def refusal(call: Any) -> dict[str, Any]:
    """The extensions of the error with which the call is refused."""
    with pytest.raises(Refused) as caught:
        await call
    return dict(caught.value.extensions)


async def test_the_consumer_of_a_webhook_is_shown_and_belongs_to_it(server: Deployment, receiver: Receiver) -> None:
    receiver.reply = lambda request: 500 if names([request]) == ["b"] else 200
    webhook_id = (await server.create(receiver.url))["webhook"]["id"]
    consumer = f"webhook:{webhook_id.removeprefix('whk_')}"
    await server.save("a", "b", "c")
    await server.wait_for_state(webhook_id, "FAILING")

    found = await server.client.send("{ consumers { name lag } }")
    shown = await server.read(webhook_id, "consumer { name lag ackedCursor }")

    assert found["consumers"] == [{"name": consumer, "lag": 2}]
    assert shown["consumer"] == {
        "name": consumer,
        "lag": 2,
        "ackedCursor": receiver.requests[0].headers["switchboard-cursor"],
    }
    refused = await refusal(server.client.mutate("removeConsumer", "removedName", consumer=consumer))
    assert refused == {"code": "INVALID_INPUT", "key": "consumer"}
    assert (await server.client.send("{ consumers { name } }"))["consumers"] == [{"name": consumer}]
    assert (await server.read(webhook_id, STATE))["id"] == webhook_id


async def test_a_webhook_that_is_removed_while_its_delivery_begins_leaves_no_consumer(
    server: Deployment, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, begun = consumers.begin, []

    async def begin_after_the_removal(*args: Any, **kwargs: Any) -> bool:
        (state,) = await webhooks.list_states(server.services.storage.reader)
        await server.client.mutate("removeWebhook", "removedId", webhookId=f"whk_{state.id}")
        begun.append(await begin(*args, **kwargs))
        return begun[-1]

    async def has_no_consumer() -> bool:
        return begun == [True] and await server.services.storage.database["consumers"].find_one({}) is None

    monkeypatch.setattr(consumers, "begin", begin_after_the_removal)

    await server.create(receiver.url)

    await until(has_no_consumer)


async def test_the_consumers_of_a_list_of_webhooks_are_read_together_and_share_what_lags_may_scan(
    server: Deployment, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        await server.create(receiver.url, name=name)
    await server.save("a")
    await receiver.wait_for(3)
    find_many, count, reads, budgets = consumers.find_many, consumer_lag.count, [], []

    async def find(reader: Reader, keys: Collection[tuple[str, str]]) -> list[Consumer]:
        reads.append(len(keys))
        return await find_many(reader, keys)

    async def count_within(context: Context, consumer: ConsumerStatus, budget: ScanBudget) -> Lag:
        budgets.append(budget)
        return await count(context, consumer, budget)

    monkeypatch.setattr(consumers, "find_many", find)
    monkeypatch.setattr(consumer_lag, "count", count_within)

    found = await server.client.send("{ webhooks { name consumer { lag } } }")

    assert [one["name"] for one in found["webhooks"]] == ["a", "b", "c"]
    assert reads == [3]
    assert len(budgets) == 3
    assert len({id(budget) for budget in budgets}) == 1


# ---------------------------------------------------------------- removed content


async def test_an_erased_visitor_is_in_no_later_attempt_and_in_no_log(server: Deployment, receiver: Receiver) -> None:
    receiver.reply = lambda _: (500, "retry-after: 3000\r\n")
    webhook_id = (await server.create(receiver.url))["webhook"]["id"]
    made = await server.client.mutate("saveVisitor", "visitor { id }", token="secret-token", name="Secret Name")
    await server.wait_for_state(webhook_id, "FAILING")
    assert b"Secret Name" in receiver.requests[0].body

    erased = await server.client.mutate("eraseVisitor", "erasure { doneAt }", visitorId=made["visitor"]["id"])
    receiver.reply = lambda _: 200
    await server.update(webhook_id, name="crm")

    assert erased["erasure"]["doneAt"]
    requests = await receiver.wait_for(3)
    assert [b"Secret Name" in request.body for request in requests] == [True, False, False]
    assert requests[1].id == requests[0].id
    database = server.services.storage.database
    for collection in ("webhook_deliveries", "webhooks", "consumers"):
        assert "ecret" not in str(
            [
                {key: value for key, value in one.items() if key != "secrets"}
                async for one in database[collection].find({})
            ]
        )


@pytest.mark.parametrize("erased", [True, False])
async def test_what_is_removed_while_an_event_waits_for_a_permit_is_not_sent(
    mongodb_uri: str, receiver: Receiver, erased: bool
) -> None:
    limits = SendLimits(concurrent=1)
    async with deployment(mongodb_uri, "test-webhooks", limits=limits) as server:
        query = """subscription { events(types: [MESSAGE_SENT]) {
            ... on MessageSent { message { text } room { visitor { name } } }
        } }"""
        await server.create(receiver.url, query=query, variables=None)
        mutate, slots = server.client.mutate, server.sender.slots
        saved = await mutate("saveVisitor", "visitor { id }", token="secret-token", name="Secret Name")
        room = await mutate("startRoom", "room { id }", visitorToken="secret-token")
        async with slots.permit("another owner"):
            sent = await mutate("sendMessage", "message { id }", roomId=room["room"]["id"], text="a secret text")

            async def is_waiting() -> bool:
                return slots.waiting == 1

            await until(is_waiting)
            removed = server.services.storage.log.redactions.count
            if erased:
                await mutate("eraseVisitor", "erasure { doneAt }", visitorId=saved["visitor"]["id"])
            else:
                await mutate("redactMessage", "message { id }", messageId=sent["message"]["id"])

            async def is_read() -> bool:
                return server.services.storage.log.redactions.count > removed

            await until(is_read)

        (request,) = await receiver.wait_for(1)
    assert b"secret" not in request.body
    assert b"Secret" not in request.body or not erased
    assert request.event["message"]["text"] == ""
