from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from resolvers import apps, webhooks
from resolvers.auth import access
from resolvers.auth.access import Caller
from resolvers.consumers import consumers
from resolvers.context import Context
from resolvers.webhooks import MAX_PER_OWNER, StoredSubscription
from storage import consumers as stored_consumers
from storage import webhooks as stored
from storage.errors import CursorExpired, Duplicate, Forbidden, Invalid, InvalidCursor, NotFound
from storage.mongo.cursors import event_cursor
from storage.records import Actor, ActorType
from storage.webhook_records import Pause, PauseReason, SigningSecret, Webhook
from tests.resolvers.refusals import refused, scoped
from tests.resolvers.world import World

SUBSCRIPTION = StoredSubscription(
    query="subscription { events { cursor } }", operation_name=None, variables_json="{}", scopes=("events:read",)
)
URL = "https://example.org/events"
NO_HTTPS = (
    "url must begin with https://; the setting SWITCHBOARD_WEBHOOK_NETWORKS allows networks inside, also by http://."
)


async def create(context: Context, **fields: Any) -> Webhook:
    """Create a webhook that is paused, so that nothing is sent."""
    given = {"name": "crm", "url": URL, "subscription": SUBSCRIPTION, "active": False, **fields}
    return (await webhooks.create_webhook(context, **given)).webhook


def other_app(world: World, *scopes: str) -> Context:
    caller = Caller(Actor(type=ActorType.APP, id="other", name="Other"), frozenset(scopes))
    return replace(world.context, caller=caller)


async def test_a_new_webhook_is_stored_with_a_secret_and_its_position(world: World) -> None:
    head = await world.head()

    made = await webhooks.create_webhook(
        world.context, name="crm", url=URL, subscription=SUBSCRIPTION, after=event_cursor(head), active=False
    )

    webhook = made.webhook
    assert await stored.find(world.context.reader, webhook.id) == webhook
    assert webhook.secrets == (SigningSecret(secret=made.secret),)
    assert made.secret.startswith("whsec_")
    assert (webhook.owner, webhook.url, webhook.query) == (world.context.caller.actor, URL, SUBSCRIPTION.query)
    assert (webhook.after, webhook.revision) == (head, 1)
    assert webhook.pause == Pause(
        reason=PauseReason.REQUESTED, message="It was paused by a mutation.", at=webhook.created_at
    )
    assert await world.facts(head) == []


@pytest.mark.parametrize(
    ("fields", "kind", "message", "key"),
    [
        ({"name": ""}, Invalid, "name must have 1 to 128 characters; this one is empty.", "name"),
        ({"url": "http://example.org/"}, Invalid, NO_HTTPS, "url"),
        ({"after": "x"}, InvalidCursor, "This is not a cursor of this deployment.", "after"),
        ({"after": event_cursor(10**12)}, InvalidCursor, "This cursor is beyond the end of the log.", "after"),
    ],
)
async def test_invalid_arguments_are_refused(
    world: World, fields: dict[str, Any], kind: type[Invalid], message: str, key: str
) -> None:
    async with refused(world, kind, message, key=key):
        await create(world.context, **fields)


async def test_a_name_is_unique_among_the_webhooks_of_an_owner(world: World) -> None:
    first = await create(world.context)
    await create(other_app(world, "webhooks:write"))
    second = await create(world.context, name="erp")

    async with refused(world, Duplicate, 'You have another webhook "crm".', key="name"):
        await create(world.context)
    async with refused(world, Duplicate, 'You have another webhook "crm".', key="name"):
        await webhooks.update_webhook(world.context, webhook_id=second.id, name="crm")
    assert first.name == "crm"


async def test_an_owner_has_a_limit(world: World) -> None:
    first = await create(world.context, name="0")
    database = world.services.storage.database
    document = await database["webhooks"].find_one({"_id": first.id})
    assert document is not None
    await database["webhooks"].insert_many(
        [{**document, "_id": f"{first.id}-{number}", "name": str(number)} for number in range(1, MAX_PER_OWNER)]
    )

    async with refused(world, Invalid, "You have 50 webhooks, and can have no more; remove one first.", key="name"):
        await create(world.context)
    await create(other_app(world, "webhooks:write"))


async def test_only_changed_fields_change(world: World) -> None:
    before = await create(world.context)

    renamed = await webhooks.update_webhook(world.context, webhook_id=before.id, name="erp")
    active = await webhooks.update_webhook(world.context, webhook_id=before.id, active=False, url=f"{URL}/2")

    assert renamed == msgspec.structs.replace(before, name="erp", revision=2, secrets=(), updated_at=renamed.updated_at)
    assert active == msgspec.structs.replace(
        renamed, url=f"{URL}/2", revision=3, pause=before.pause, updated_at=active.updated_at
    )
    assert await stored.find(world.context.reader, before.id) == msgspec.structs.replace(active, secrets=before.secrets)
    for field in ("name", "url", "active"):
        message = f"{field} cannot be null; leave it out to keep it as it is."
        async with refused(world, Invalid, message, key=field):
            await webhooks.update_webhook(world.context, webhook_id=before.id, **{field: None})  # type: ignore[arg-type]


async def test_a_replay_begins_another_generation_and_ends_a_pause_for_deleted_events(world: World) -> None:
    webhook, head = await create(world.context), await world.head()
    pause = Pause(reason=PauseReason.EVENTS_DELETED, message="x", at=webhook.created_at)

    paused = await webhooks.replay_webhook(world.context, webhook_id=webhook.id, after=event_cursor(0))
    await stored.set_pause(world.context.reader, paused, pause)
    again = await webhooks.replay_webhook(world.context, webhook_id=webhook.id, after=event_cursor(head))

    assert (paused.after, paused.pause) == (0, webhook.pause)
    assert (again.after, again.pause) == (head, None)
    assert len({webhook.generation, paused.generation, again.generation}) == 3


async def test_a_replay_of_deleted_events_is_refused(world: World) -> None:
    webhook = await create(world.context)
    log = world.services.storage.log
    oldest = await log.oldest()
    await world.visitor("one more")
    await world.services.storage.database["log"].delete_many({"_id": {"$lte": oldest}})

    message = (
        "The events after this cursor were deleted, so a subscription from it would skip events. "
        "Start again from oldestCursor and read the state again."
    )
    async with refused(world, CursorExpired, message, oldestCursor=event_cursor(await log.oldest() - 1)):
        await webhooks.replay_webhook(world.context, webhook_id=webhook.id, after=event_cursor(0))


async def test_secrets_rotate_with_an_overlap_and_few_remain(world: World) -> None:
    webhook = await create(world.context)
    first = webhook.secrets[0].secret

    second = await webhooks.rotate_webhook_secret(world.context, webhook_id=webhook.id, overlap_seconds=60)
    third = await webhooks.rotate_webhook_secret(world.context, webhook_id=webhook.id, overlap_seconds=600)
    fourth = await webhooks.rotate_webhook_secret(world.context, webhook_id=webhook.id, overlap_seconds=60)

    now = fourth.webhook.updated_at
    assert second.webhook.active_secrets(now) == [second.secret, first]
    assert second.webhook.active_secrets(now + timedelta(seconds=61)) == [second.secret]
    assert third.webhook.active_secrets(now) == [third.secret, second.secret, first]
    assert fourth.webhook.active_secrets(now) == [fourth.secret, third.secret, second.secret]
    last = await webhooks.rotate_webhook_secret(world.context, webhook_id=webhook.id, overlap_seconds=0)
    assert last.webhook.active_secrets(now) == [last.secret]


@pytest.mark.parametrize("seconds", [-1, 604_801])
async def test_an_overlap_has_bounds(world: World, seconds: int) -> None:
    webhook = await create(world.context)

    message = f"overlapSeconds must be 0 to 604800; it is {seconds}."
    async with refused(world, Invalid, message, key="overlapSeconds"):
        await webhooks.rotate_webhook_secret(world.context, webhook_id=webhook.id, overlap_seconds=seconds)


# ---------------------------------------------------------------- access


async def test_webhooks_of_others_are_not_found_except_by_admins(world: World) -> None:
    webhook, other = await create(world.context), other_app(world, "webhooks:write", "events:read")
    own = await create(other)

    assert await webhooks.list_webhooks(other) == [own]
    assert await webhooks.find_many(other, [webhook.id, own.id]) == {own.id: own}
    assert [one.id for one in await webhooks.list_webhooks(world.context)] == [webhook.id, own.id]
    message = f'There is no webhook "{webhook.id}".'
    for call in (
        webhooks.update_webhook(other, webhook_id=webhook.id, name="x"),
        webhooks.replay_webhook(other, webhook_id=webhook.id, after=event_cursor(0)),
        webhooks.rotate_webhook_secret(other, webhook_id=webhook.id),
        webhooks.remove_webhook(other, webhook_id=webhook.id),
        webhooks.get(other, webhook.id),
    ):
        async with refused(world, NotFound, message, key="webhookId"):
            await call
    assert await webhooks.remove_webhook(world.context, webhook_id=own.id) == own.id
    assert await webhooks.list_webhooks(other) == []


async def test_operations_on_webhooks_need_their_scope(world: World) -> None:
    webhook, without = await create(world.context), scoped(world, "events:read")

    message = "This needs the scope webhooks:write, which this token does not have."
    async with refused(world, Forbidden, message, scope="webhooks:write"):
        await create(without)
    async with refused(world, Forbidden, message, scope="webhooks:write"):
        await webhooks.remove_webhook(without, webhook_id=webhook.id)
    async with refused(world, Forbidden, message, scope="webhooks:write"):
        await webhooks.list_deliveries(without, [webhook.id])


async def test_the_owner_acts_with_its_permissions_of_now(world: World) -> None:
    reader = world.context.reader
    made = await apps.create_app(world.context, name="hooks", scopes=["events:read", "rooms:read"])
    user = await world.agent("anna")
    app_actor = Actor(type=ActorType.APP, id=made.app.id, name="hooks")

    app = await access.find_owner(reader, app_actor)
    agent = await access.find_owner(reader, Actor(type=ActorType.USER, id=user.id, name="an older name"))
    await apps.revoke_app(world.context, app_id=made.app.id)

    assert app == Caller(app_actor, frozenset({"events:read", "rooms:read"}))
    assert agent is not None
    assert (agent.actor, agent.user) == (Actor(type=ActorType.USER, id=user.id, name="anna"), await world.user(user))
    assert "rooms:read" in agent.scopes
    assert await access.find_owner(reader, app_actor) is None
    assert await access.find_owner(reader, Actor(type=ActorType.USER, id="nobody")) is None
    assert await access.find_owner(reader, Actor(type=ActorType.SYSTEM)) is None


async def test_a_repeated_change_is_made_once_and_its_recorded_answer_has_no_secret(world: World) -> None:
    made = await webhooks.create_webhook(world.context, name="crm", url=URL, subscription=SUBSCRIPTION, active=False)
    context = world.context.mutation("rename")

    first = await webhooks.update_webhook(context, webhook_id=made.webhook.id, name="erp")
    second = await webhooks.update_webhook(context, webhook_id=made.webhook.id, name="erp")

    assert (first, first.revision) == (second, 2)
    answers = await world.services.storage.database["idempotency"].find({}).to_list(None)
    assert made.secret not in str(answers)


async def test_a_subscription_that_was_checked_with_an_older_webhook_is_not_stored(world: World) -> None:
    webhook = await create(world.context)
    renamed = await webhooks.update_webhook(world.context, webhook_id=webhook.id, name="erp")
    other = msgspec.structs.replace(SUBSCRIPTION, query="subscription { events { type } }")
    context = world.context.mutation("change")

    with pytest.raises(webhooks.SubscriptionOutdated):
        await webhooks.update_webhook(
            context, webhook_id=webhook.id, subscription=other, checked_revision=webhook.revision
        )
    assert await stored.find(world.context.reader, webhook.id) == msgspec.structs.replace(
        renamed, secrets=webhook.secrets
    )
    first = await webhooks.update_webhook(context, webhook_id=webhook.id, subscription=other, checked_revision=2)
    again = await webhooks.update_webhook(context, webhook_id=webhook.id, subscription=other, checked_revision=3)

    assert (first.query, first.revision) == (other.query, 3)
    assert again == first


async def test_the_consumer_of_a_webhook_can_be_removed_if_the_webhook_does_not_exist(world: World) -> None:
    reader, actor, owner_id = world.context.reader, world.context.caller.identified, world.context.caller.id
    webhook = await create(world.context)
    for name in (webhook.consumer, "webhook:gone"):
        await stored_consumers.begin(reader, actor, name, generation="1", after=0)

    async with refused(
        world, Invalid, "The consumer of a webhook is removed with it; call removeWebhook.", key="consumer"
    ):
        await consumers.remove_consumer(world.context, consumer=webhook.consumer)
    removed = await consumers.remove_consumer(world.context, consumer="webhook:gone")

    assert removed == "webhook:gone"
    assert await stored_consumers.find(reader, owner_id, "webhook:gone") is None
    assert await stored_consumers.find(reader, owner_id, webhook.consumer) is not None
