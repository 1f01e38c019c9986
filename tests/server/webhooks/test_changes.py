"""What changes of a webhook, of its owner and of the log do to its deliveries."""

from datetime import timedelta
from typing import Any

import msgspec

from resolvers.webhook_addresses import AddressPolicy
from server.webhooks.retries import Retries
from storage import webhook_deliveries, webhooks
from storage.mongo.cursors import event_cursor
from storage.webhook_records import WebhookDelivery
from tests.server.webhooks.receiver import Receiver, Reply, receiving
from tests.server.webhooks.support import Deployment, deployment
from tests.server.webhooks.test_delivery import names, signature
from tests.storage.support import until

BEGINNING = event_cursor(0)


# ---------------------------------------------------------------- positions


async def test_a_webhook_begins_after_a_cursor_or_with_the_next_event(server: Deployment, receiver: Receiver) -> None:
    await server.save("a")

    await server.create(receiver.url, name="later")
    await server.create(receiver.url, name="earlier", after=BEGINNING)
    await server.save("b")

    requests = await receiver.wait_for(3)
    assert sorted(names(requests)) == ["a", "b", "b"]


async def test_a_paused_webhook_sends_later_what_happened_meanwhile(server: Deployment, receiver: Receiver) -> None:
    created = await server.create(receiver.url, active=False)
    webhook_id = created["webhook"]["id"]
    assert (created["webhook"]["state"], created["webhook"]["pauseReason"]) == ("PAUSED", "REQUESTED")
    await server.save("a")
    assert await server.deliveries(webhook_id) == []

    await server.update(webhook_id, active=True)

    assert names(await receiver.wait_for(1)) == ["a"]
    await server.update(webhook_id, active=False)
    await server.save("b")
    await server.update(webhook_id, active=True)
    assert names(await receiver.wait_for(2)) == ["a", "b"]


async def test_a_replay_sends_events_again_with_their_ids(server: Deployment, receiver: Receiver) -> None:
    webhook_id = (await server.create(receiver.url))["webhook"]["id"]
    await server.save("a", "b", "c")
    first = (await receiver.wait_for(3))[0].headers["switchboard-cursor"]

    await server.client.mutate("replayWebhook", "webhook { id }", webhookId=webhook_id, after=first)

    requests = await receiver.wait_for(5)
    assert names(requests) == ["a", "b", "c", "b", "c"]
    assert receiver.ids[3:] == receiver.ids[1:3]


async def test_a_replay_to_a_later_event_skips_the_one_that_fails(server: Deployment, receiver: Receiver) -> None:
    def reply(request: Any) -> Reply:
        return 500 if names([request]) == ["a"] else 200

    receiver.reply = reply
    webhook_id = (await server.create(receiver.url))["webhook"]["id"]
    await server.save("a", "b")
    failing = (await receiver.wait_for(2))[0].headers["switchboard-cursor"]

    await server.client.mutate("replayWebhook", "webhook { id }", webhookId=webhook_id, after=failing)

    async def has_received_next() -> bool:
        return names(receiver.requests)[-1:] == ["b"]

    await until(has_received_next)


async def test_acknowledging_an_event_for_the_consumer_skips_it(server: Deployment, receiver: Receiver) -> None:
    receiver.reply = lambda request: 500 if names([request]) == ["a"] else 200
    created = await server.create(receiver.url)
    consumer = f"webhook:{created['webhook']['id'].removeprefix('whk_')}"
    await server.save("a", "b")
    cursor = (await receiver.wait_for(2))[0].headers["switchboard-cursor"]

    await server.client.mutate("ackEvents", "consumer { name }", consumer=consumer, cursor=cursor)

    async def has_received_next() -> bool:
        return names(receiver.requests)[-1:] == ["b"]

    await until(has_received_next)


async def test_deleted_events_pause_a_webhook_until_a_replay(mongodb_uri: str, receiver: Receiver) -> None:
    async with deployment(mongodb_uri, "test-webhooks") as server:
        webhook_id = (await server.create(receiver.url, active=False))["webhook"]["id"]
        await server.save("a", "b", "c")
        log, database = server.services.storage.log, server.services.storage.database
        await until_logged(server)
        head = await log.head()
        await database["log"].delete_many({"_id": {"$lt": head}})

        await server.update(webhook_id, active=True)

        paused = await server.wait_for_state(webhook_id, "PAUSED")
        oldest = event_cursor(head - 1)
        assert paused["pauseReason"] == "EVENTS_DELETED"
        assert paused["pauseMessage"] == (
            f"The next events were deleted from the log. Call replayWebhook with the cursor {oldest}."
        )
        await server.client.mutate("replayWebhook", "webhook { id }", webhookId=webhook_id, after=oldest)
        assert names(await receiver.wait_for(1)) == ["c"]


async def until_logged(server: Deployment) -> None:
    async def is_empty() -> bool:
        return await server.services.storage.database["outbox"].find_one({}) is None

    await until(is_empty)


# ---------------------------------------------------------------- changes


async def test_a_changed_address_and_document_apply_from_the_next_event_on(
    server: Deployment, receiver: Receiver
) -> None:
    webhook_id = (await server.create(receiver.url))["webhook"]["id"]
    await server.save("a")
    await receiver.wait_for(1)
    async with receiving() as other:
        query = "subscription { events(types: [VISITOR_SAVED]) { type } }"
        await server.update(webhook_id, url=other.url, query=query, variables=None)

        await server.save("b")

        (request,) = await other.wait_for(1)
        assert request.body == b'{"data":{"events":{"type":"VISITOR_SAVED"}}}'
    assert names(receiver.requests) == ["a"]


async def test_a_rotated_secret_signs_beside_the_old_one_during_the_overlap(
    server: Deployment, receiver: Receiver
) -> None:
    created = await server.create(receiver.url)
    webhook_id, old = created["webhook"]["id"], created["secret"]

    async def rotate(overlap: int) -> str:
        answer = await server.client.mutate(
            "rotateWebhookSecret", "secret", webhookId=webhook_id, overlapSeconds=overlap
        )
        return str(answer["secret"])

    new = await rotate(60)
    await server.save("a")
    (request,) = await receiver.wait_for(1)
    assert request.headers["webhook-signature"] == f"{signature(new, request)} {signature(old, request)}"

    newest = await rotate(0)
    await server.save("b")
    request = (await receiver.wait_for(2))[1]
    assert request.headers["webhook-signature"] == signature(newest, request)
    assert len({old, new, newest}) == 3


async def test_a_removed_webhook_leaves_nothing(server: Deployment, receiver: Receiver) -> None:
    webhook_id = (await server.create(receiver.url))["webhook"]["id"]
    await server.save("a")
    await receiver.wait_for(1)
    await server.wait_for_deliveries(webhook_id, 1)

    removed = await server.client.mutate("removeWebhook", "removedId", webhookId=webhook_id)
    await server.create(receiver.url)
    await server.save("b")

    assert removed == {"removedId": webhook_id}
    assert names(await receiver.wait_for(2)) == ["a", "b"]
    assert await server.read(webhook_id) is None
    database, stored = server.services.storage.database, webhook_id.removeprefix("whk_")
    assert await database["webhook_deliveries"].find_one({"webhookId": stored}) is None
    assert await database["consumers"].find_one({"name": f"webhook:{stored}"}) is None


# ---------------------------------------------------------------- owners


async def test_an_owner_that_loses_a_scope_pauses_its_webhooks(server: Deployment, receiver: Receiver) -> None:
    scopes = ["webhooks:write", "events:read", "visitors:read"]
    created = await server.client.mutate("createRole", "role { id }", name="hooks", scopes=scopes)
    role_id, password = created["role"]["id"], "correct horse battery"
    await server.client.mutate("createUser", "user { id }", username="ann", password=password, roles=["hooks"])
    login = 'mutation ($p: String!) { login(input: {username: "ann", password: $p}) { token } }'
    token = (await server.client.send(login, bearer="none", p=password))["login"]["token"]
    webhook_id = (await server.create(receiver.url, bearer=token))["webhook"]["id"]
    await server.save("a")
    assert names(await receiver.wait_for(1)) == ["a"]

    await server.client.mutate("updateRole", "role { id }", roleId=role_id, scopes=scopes[:2])
    await server.save("b")

    paused = await server.wait_for_state(webhook_id, "PAUSED")
    assert paused["pauseReason"] == "OWNER_LOST_ACCESS"
    assert paused["pauseMessage"] == "The owner of the webhook lacks the scope visitors:read."
    assert names(receiver.requests) == ["a"]
    await server.client.mutate("updateRole", "role { id }", roleId=role_id, scopes=scopes)
    await server.update(webhook_id, active=True)
    assert names(await receiver.wait_for(2)) == ["a", "b"]


async def test_webhooks_of_a_revoked_app_are_removed(server: Deployment, receiver: Receiver) -> None:
    made = await server.client.mutate(
        "createApp",
        "token app { id }",
        name="hooks",
        scopes=["webhooks:write", "events:read", "visitors:read"],
    )
    webhook_id = (await server.create(receiver.url, bearer=made["token"]))["webhook"]["id"]
    await server.save("a")
    assert names(await receiver.wait_for(1)) == ["a"]

    await server.client.mutate("revokeApp", "app { id }", appId=made["app"]["id"])
    await server.create(receiver.url, name="of the admin")
    await server.save("b")

    assert names(await receiver.wait_for(2)) == ["a", "b"]
    assert await server.read(webhook_id) is None


# ---------------------------------------------------------------- failures


async def test_a_webhook_that_fails_for_too_long_is_paused_and_loses_nothing(
    mongodb_uri: str, receiver: Receiver
) -> None:
    retries = Retries(first=0.02, longest=0.05, give_up_after=timedelta(seconds=0.2))
    async with deployment(mongodb_uri, "test-webhooks", retries=retries) as server:
        receiver.reply = lambda _: 500
        webhook_id = (await server.create(receiver.url))["webhook"]["id"]
        await server.save("a", "b")

        paused = await server.wait_for_state(webhook_id, "PAUSED")

        assert paused["pauseReason"] == "FAILING"
        assert paused["pauseMessage"].endswith("UTC failed; the last one: the status is 500.")
        sent = len(receiver.requests)
        assert set(names(receiver.requests)) == {"a"}
        receiver.reply = lambda _: 200
        await server.update(webhook_id, active=True)
        assert names(await receiver.wait_for(sent + 2))[sent:] == ["a", "b"]


async def test_the_delivery_log_has_a_bound(server: Deployment, receiver: Receiver) -> None:
    webhook_id = (await server.create(receiver.url))["webhook"]["id"]
    await server.save("a")
    await server.wait_for_deliveries(webhook_id, 1)
    reader, stored = server.services.storage.reader, webhook_id.removeprefix("whk_")
    (one,) = await server.services.storage.database["webhook_deliveries"].find({}).to_list(None)
    webhook = await webhooks.find(reader, stored)
    assert webhook is not None
    page = await server.read(webhook_id, "deliveries { nodes { number cursor at milliseconds } }")
    (entry,) = page["deliveries"]["nodes"]
    assert entry["number"] == 1
    assert entry["cursor"] == receiver.requests[0].headers["switchboard-cursor"]
    assert sorted(one) == sorted(
        ["_id", "webhookId", "number", "sequence", "attempt", "at", "milliseconds", "status", "error"]
    )

    delivery = msgspec.convert(one, WebhookDelivery)
    for number in range(2, 26):
        await webhook_deliveries.insert(reader, msgspec.structs.replace(delivery, number=number), kept=10, batch=5)
    taken = await webhook_deliveries.insert(reader, msgspec.structs.replace(delivery, number=25), kept=10, batch=5)

    numbers = [
        node["number"]
        for node in (await server.read(webhook_id, "deliveries(first: 200) { nodes { number } }"))["deliveries"][
            "nodes"
        ]
    ]
    assert taken.number == 26
    assert numbers == list(range(26, 15, -1))


# ---------------------------------------------------------------- addresses


async def test_a_name_that_leads_inside_gets_nothing(mongodb_uri: str, receiver: Receiver) -> None:
    async with deployment(mongodb_uri, "test-webhooks", policy=AddressPolicy()) as server:
        webhook_id = (await server.create(f"https://localhost:{receiver.port}/"))["webhook"]["id"]

        await server.save("a")

        await server.wait_for_state(webhook_id, "FAILING")
        (entry, *_) = await server.wait_for_deliveries(webhook_id, 1)
    assert entry["error"] == (
        "the host leads to no allowed address; the setting SWITCHBOARD_WEBHOOK_NETWORKS allows networks inside"
    )
    assert (entry["status"], entry["delivered"]) == (None, False)
    assert receiver.requests == []


async def test_an_address_that_is_not_allowed_any_more_pauses_a_webhook(mongodb_uri: str, receiver: Receiver) -> None:
    async with deployment(mongodb_uri, "test-webhooks") as server:
        webhook_id = (await server.create(receiver.url))["webhook"]["id"]
    async with deployment(mongodb_uri, "test-webhooks", policy=AddressPolicy(), empty=False) as server:
        paused = await server.wait_for_state(webhook_id, "PAUSED")

    assert paused["pauseReason"] == "DOCUMENT_REFUSED"
    assert paused["pauseMessage"].startswith("url must begin with https://; the setting SWITCHBOARD_WEBHOOK_NETWORKS ")


async def test_a_removed_custom_field_pauses_a_webhook_whose_filter_names_it(
    server: Deployment, receiver: Receiver
) -> None:
    made = await server.client.mutate(
        "defineCustomField", "definition { id }", target="ROOM", key="plan", type="TEXT", label="Plan"
    )
    query = 'subscription { events(where: {customFields: [{key: "plan", eq: "gold"}]}) { cursor } }'
    webhook_id = (await server.create(receiver.url, query=query, variables=None))["webhook"]["id"]

    await server.client.mutate("removeCustomField", "removedId", id=made["definition"]["id"])
    await server.update(webhook_id, name="renamed")

    paused = await server.wait_for_state(webhook_id, "PAUSED")
    assert paused["pauseReason"] == "DOCUMENT_REFUSED"
    assert "plan" in paused["pauseMessage"]
    assert receiver.requests == []
